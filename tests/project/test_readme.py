"""The README's snippets and commands are real."""

import re
import shlex
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tool import ROOT

from ppnas_mm.utils.compat import require

README = (ROOT / 'README.md').read_text()
BLOCKS = re.findall(r'```(\w+)\n(.*?)```', README, re.S)


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_six_lines_make_a_config_of_the_library_use_the_backbone(library, tmp_path):
    text = next(b for kind, b in BLOCKS if kind == 'python' and f'# {library}:' in b)
    lines = [x for x in text.splitlines() if x.strip() and not x.lstrip().startswith('#')]
    assert len(lines) <= 7
    name = Path(re.search(r"_base_ = '\./(.+?)'", text).group(1))
    configs = Path(require(library).__file__).parent / '.mim' / 'configs'
    base = next(configs.rglob(name.name))
    path = tmp_path / 'config.py'
    path.write_text(text.replace(f'./{name}', str(base)))
    config = Config.fromfile(path)
    init_default_scope(library)
    model = require(f'{library}.registry').MODELS.build(config.model).eval()
    assert type(model.backbone).__name__ == 'PPResNet'
    with torch.no_grad():
        features = model.backbone(torch.randn(1, 3, 64, 64))
        outputs = (model.bbox_head if library == 'mmdet' else model.decode_head)(
            model.neck(features) if model.with_neck else features
        )
    if library == 'mmseg':
        assert outputs.shape == (1, 21, 16, 16)
        assert [tuple(f.shape[-2:]) for f in features] == [(16, 16), (8, 8), (8, 8), (8, 8)]
    else:
        assert outputs[0][0].shape == (1, 9 * 80, 8, 8)


def test_commands_name_tools_and_files_that_exist():
    commands = [
        shlex.split(line.replace('\\', ' '), comments=True)
        for kind, block in BLOCKS
        if kind == 'bash'
        for line in block.replace('\\\n', ' ').splitlines()
    ]
    words = [word for command in commands for word in command]
    assert 'make' in words and 'tools/search.py' in words
    for word in words:
        if word.startswith(('tools/', 'configs/')):
            assert (ROOT / word).is_file(), word
    targets = re.findall(r'^(\w+):', (ROOT / 'Makefile').read_text(), re.M)
    assert {c[1] for c in commands if c and c[0] == 'make'} <= set(targets)


def test_links_lead_somewhere():
    pages = [p.relative_to(ROOT) for p in (ROOT / 'docs').glob('*.md')]
    for page in ('README.md', 'CONTRIBUTING.md', *pages):
        text = (ROOT / page).read_text()
        for target in re.findall(r'\]\(([^)#:]+)\)', text):
            assert ((ROOT / page).parent / target).exists(), f'{page}: {target}'


def test_the_own_operation_of_the_readme_works():
    from ppnas_mm import genotype
    from ppnas_mm.layers import ops
    from ppnas_mm.spaces import PPConvSuperNet

    code = next(b for kind, b in BLOCKS if kind == 'python' and 'register_op' in b)
    try:
        exec(code, {})
        net = PPConvSuperNet(depth=20, base_channels=8, ops=('identity', 'conv_3x3', 'conv_7x7'))
        assert net(torch.randn(2, 3, 16, 16))[-1].shape == (2, 128, 4, 4)
    finally:
        ops.OPS.pop('conv_7x7', None)
        genotype.SPACE_RULES['ppconv'].ops.discard('conv_7x7')
