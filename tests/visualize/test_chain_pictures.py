"""Pictures of chains: their stages say resolution and channels, texts keep apart."""

from dataclasses import replace

import torch
from pictured import check_texts
from svg import by_id, check_no_overlap, parse, words
from tool import call

from ppnas_mm.backbones import ChainNet, MobileNASNet
from ppnas_mm.backbones.chain import Chain
from ppnas_mm.genotype import SPACE_RULES, Cell, Edge, Genotype
from ppnas_mm.visualize.genotype import draw_genotype
from ppnas_mm.visualize.titles import stage_notes


def test_stages_tell_the_shapes_that_a_forward_has():
    for network, name, options in (
        (ChainNet, 'cdarts_b', dict(width=0.5, variant='cifar')),
        (MobileNASNet, 'proxylessnas_gpu', dict(strides=(1, 2, 1, 2, 2, 1), variant='cifar')),
    ):
        model, seen = network(arch=name, **options).eval(), []
        for module in model.modules():
            if isinstance(module, Chain):
                module.register_forward_hook(lambda _, __, y, seen=seen: seen.append(y.shape))
        with torch.no_grad():
            model(torch.rand(1, 3, 64, 64))
        parts = {64: 'full', 32: '1/2', 16: '1/4', 8: '1/8', 4: '1/16'}
        wanted = [f'{parts[h]} resolution, {c} channels' for _, c, h, _ in seen]
        assert list(stage_notes(model).values()) == wanted
        assert list(stage_notes(model)) == [cell.name for cell in model.genotype.cells]
    assert stage_notes(torch.nn.Identity()) == {}


def test_the_tool_writes_them_beside_the_stages_of_published_chains(tmp_path):
    assert call('visualize.py', 'cdarts_b', '--out', tmp_path / 'a.svg') == 0
    ids = by_id(parse(tmp_path / 'a.svg'))
    shown = [words(ids[f'note-{c}']) for c in range(5)]
    planes, strides = (24, 40, 80, 96, 192), (4, 8, 16, 16, 32)
    pairs = zip(strides, planes, strict=True)
    assert shown == [[f'1/{s} resolution, {c} channels'] for s, c in pairs]
    check_texts(parse(tmp_path / 'a.svg'))
    Genotype.load('cdarts_b').save(tmp_path / 'mine.json')
    assert call('visualize.py', tmp_path / 'mine.json', '--out', tmp_path / 'a.svg') == 0
    assert not [gid for gid in by_id(parse(tmp_path / 'a.svg')) if gid.startswith('note-')]


def test_long_names_stay_on_the_page(tmp_path, monkeypatch):
    op, name = 'an_operation_with_a_long_name_and_7x7_kernels', 'a_stage_' * 9
    monkeypatch.setitem(SPACE_RULES, 'chain', replace(SPACE_RULES['chain'], ops={op}))
    for depth in (1, 4):
        nodes = tuple((Edge(op, (n,)),) for n in range(depth))
        genotype = Genotype('chain', (Cell(name, 1, nodes),))
        draw_genotype(genotype, tmp_path / 'a.svg', 'title' * 20, {name: '1/4 resolution'})
        root = parse(tmp_path / 'a.svg')
        assert {name, op, '1/4 resolution'} <= set(words(root))
        check_texts(root)
        check_no_overlap(root)
