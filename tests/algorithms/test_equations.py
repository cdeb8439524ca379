"""The pages of the methods: what they name exists, no equation is missing; further tests."""

import ast
import copy
import math
import re
from pathlib import Path
from typing import Any

import cdarts_nets as cdarts
import drawn
import plain
import pytest
import torch
from plain_dag import plain_dag
from ppnas_nets import STAGES, ppnas, randomise
from tasks import classifier_batch, search_optimizers
from tool import ROOT
from torch import Tensor, nn
from zoo import images

from ppnas_mm.algorithms.cdarts.networks import captured
from ppnas_mm.algorithms.score_function import gumbel
from ppnas_mm.backbones import DARTSNet
from ppnas_mm.backbones.darts import CellBlock
from ppnas_mm.spaces import DARTSSuperNet
from ppnas_mm.spaces.mixture import Choice, Relaxed, mixed_sum

PAGES = {'PP-NAS': 'ppnas', 'CDARTS': 'cdarts', 'EoiNAS': 'eoinas', 'SE-NAS': 'senas'}
"""The page of each paper, in docs/explanation."""
NUMBERED = {'PP-NAS': 6, 'CDARTS': 12, 'EoiNAS': 12, 'SE-NAS': 7}
"""The last equation of each paper, read in the papers."""

# -- the page --------------------------------------------------------------------------------------


def rows(paper: str) -> list[list[str]]:
    """Cells of the rows of a paper's table, without its head."""
    text = (ROOT / f'docs/explanation/{PAGES[paper]}.md').read_text()
    assert text.startswith(f'# {paper}\n')
    (section,) = re.findall(r'^## Equations\b.*?\n(.*?)(?=^## |\Z)', text, re.S | re.M)
    lines = [line for line in section.splitlines() if line.startswith('|')]
    found = [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines]
    assert found[0] == ['eq.', 'it says', 'file: function', 'independent test']
    return found[2:]


def defined(path: Path) -> set[str]:
    """Names of the functions and classes of a file, those of classes with their class."""
    names: set[str] = set()

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(prefix + node.name)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f'{prefix}{node.name}.')

    visit(ast.parse(path.read_text()).body, '')
    return names


def named(cell: str) -> list[tuple[str, str]]:
    """Return what a cell names, pairs of a file and a name in it: `file`: `name`, `name`; ..."""
    pairs = []
    for text in cell.split('; '):
        if text in ('none', *re.findall('^nothing: [^`]+$', text)):
            continue
        path, *names = re.findall('`(.+?)`', text)
        assert path.endswith('.py') and names, text
        pairs += [(path, name) for name in names]
    return pairs


@pytest.mark.parametrize('paper', NUMBERED)
def test_every_equation_has_one_row(paper: str) -> None:
    assert list(PAGES) == list(NUMBERED)
    numbers = [row[0] for row in rows(paper)]
    assert numbers == [str(n) for n in range(1, NUMBERED[paper] + 1)]


@pytest.mark.parametrize('paper', NUMBERED)
def test_files_functions_and_tests_exist(paper: str) -> None:
    for number, says, code, tests in rows(paper):
        assert says and (named(code) or code.startswith('nothing')), number
        assert named(tests) or (code.startswith('nothing') and tests == 'none'), number
        for path, name in named(code):
            assert path.startswith('ppnas_mm/') and name in defined(ROOT / path), (path, name)
        for path, name in named(tests):
            assert path.startswith('tests/') and name.startswith('test_'), (path, name)
            assert name in defined(ROOT / path), (path, name)


def test_the_tests_written_for_the_page_are_on_it() -> None:
    own = {n for n in defined(Path(__file__)) if re.search(r'(pp_nas|cdarts|eoinas)_equation', n)}
    here = 'tests/algorithms/test_equations.py'
    assert own and own == {
        n for p in NUMBERED for r in rows(p) for f, n in named(r[3]) if f == here
    }


# -- equations that no other test computes ---------------------------------------------------------


def cross_entropy(logits: Tensor, samples: Any) -> Tensor:
    """Mean over the images of log sum exp minus the label's logit."""
    terms = [
        row.exp().sum().log() - row[int(sample.gt_label)]
        for row, sample in zip(logits, samples, strict=True)
    ]
    return sum(terms[1:], terms[0]) / len(terms)


def test_the_step_of_pp_nas_equation_5() -> None:
    """The sum of four losses, the L2 one on all that learns; a step of both follows its slope."""
    decay = 0.1
    algorithm = ppnas(l2_weight=decay).train()
    randomise(algorithm, 0)
    optimizers = search_optimizers(
        algorithm, weights={'optimizer': {'type': 'SGD', 'lr': 0.05, 'weight_decay': decay}}
    )
    twin, batch = copy.deepcopy(algorithm), classifier_batch()
    data = twin.data_preprocessor(copy.deepcopy(batch), True)
    logits = twin.model(data['inputs'], mode='tensor')
    total = cross_entropy(logits, data['data_samples'])
    total = total + decay / 2 * sum((p**2).sum() for p in twin.parameters())
    for stage in STAGES:
        gate = {
            (i, j): twin.super_net.arch[f'{stage}/node{j}/inputs'][i].sigmoid()
            for j in range(4, 8)
            for i in range(j)
        }
        total = total - sum((g - 0.5) ** 2 for g in gate.values())
        for i in range(4):
            total = total + (1 - sum(gate[i, j] for j in range(4, 8))).relu() ** 2
        for j in range(4, 8):
            total = total + (1 - sum(gate[i, j] for i in range(j))).relu() ** 2
    given = copy.deepcopy(algorithm)(**data, mode='loss')
    weights = [p for n, p in twin.named_parameters() if '.arch.' not in n]
    squares = decay / 2 * sum(float((p**2).sum()) for p in weights)  # the optimizer's part
    assert float(sum(given.values())) + squares == pytest.approx(float(total), rel=1e-5)
    total.backward()
    algorithm.train_step(batch, optimizers)
    for name, theirs in twin.named_parameters():
        step = (0.5 if '.arch.' in name else 0.05) * theirs.grad
        ours = algorithm.get_parameter(name)
        torch.testing.assert_close(ours, theirs - step, rtol=1e-4, atol=1e-5, msg=name)


def test_the_edge_of_cdarts_equation_3() -> None:
    """Two operations, the skip and a convolution."""
    conv, x = nn.Conv2d(2, 2, 3, padding=1).double(), images(1, 2, 5, 4).double()
    alpha = torch.tensor([0.3, -1.1], dtype=torch.double)
    choice = Choice('normal', 2, ('skip_connect', 'conv'), source=0)
    found = mixed_sum(Relaxed('sum')(choice, alpha, (0, 1)), [x, conv(x)])
    skip, other = math.exp(0.3), math.exp(-1.1)
    expected = other / (other + skip) * conv(x) + skip / (other + skip) * x
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_separate_step_of_cdarts_equation_7() -> None:
    """The evaluation network follows its cross entropy on ``val``, and nothing else moves."""
    algorithm = cdarts.build()
    assert algorithm.phase == 'separate'
    twin = copy.deepcopy(algorithm)
    optimizers = search_optimizers(algorithm)  # SGD, rate 0.05
    algorithm.train_step({'val': cdarts.DATA['val']}, optimizers)
    data = twin.data_preprocessor(cdarts.DATA['val'], True)
    loss = cross_entropy(twin.evaluation(data['inputs'], mode='tensor'), data['data_samples'])
    names = [n for n, _ in twin.named_parameters()]
    slopes = torch.autograd.grad(loss, list(twin.parameters()), allow_unused=True)
    # alpha is not in the loss: the path of the evaluation network has no scales
    assert all(g is None for n, g in zip(names, slopes, strict=True) if '.arch.' in n)
    assert sum(g is not None for g in slopes) > 10
    for name, slope in zip(names, slopes, strict=True):
        theirs, ours = twin.get_parameter(name), algorithm.get_parameter(name)
        expected = theirs if slope is None else theirs - 0.05 * slope
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6, msg=name)


def test_the_losses_of_cdarts_equation_8() -> None:
    """L_S + L_E + lambda L_SE + the L1 norm, number by number; its step is in test_cdarts.py."""
    algorithm = cdarts.build(
        separate_epochs=0, distillation={'loss': 'kl'}, distill_weight=3.0, l1_weight=5.0
    )
    data = algorithm.data_preprocessor(cdarts.DATA['val'], True)
    found = algorithm.joint_losses(data)
    pairs = []
    for model, names in (
        (algorithm.model, algorithm.networks.search_names),
        (algorithm.evaluation, algorithm.networks.evaluation_names),
    ):
        with captured(model, names) as maps, torch.no_grad():
            model(data['inputs'], mode='tensor')
        pairs.append(([maps[n] for n in names[:-1]], maps[names[-1]]))
    search, evaluation = (cross_entropy(p[1], data['data_samples']) for p in pairs)
    with torch.no_grad():
        levels = list(zip(*(algorithm.distillation.levels(*p) for p in pairs), strict=True))
    distilled = 0.0
    for mine, theirs in levels:
        for s, e in zip(mine.tolist(), theirs.tolist(), strict=True):
            q = [math.exp(v / 2) / sum(math.exp(u / 2) for u in s) for v in s]
            p = [math.exp(v / 2) / sum(math.exp(u / 2) for u in e) for v in e]
            divergence = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
            distilled += 2**2 / len(mine) * divergence / len(levels)
    skip = cdarts.DARTS['ops'].index('skip_connect')
    norm = sum(abs(float(alpha[skip])) for alpha in algorithm.arch_parameters().values())
    expected = float(search) + float(evaluation) + 3 * distilled + 5 * norm
    assert distilled > 1e-3 and norm > 1
    assert float(sum(found.values())) == pytest.approx(expected, rel=1e-5)
    assert float(found['loss_distillation']) == pytest.approx(3 * distilled, rel=1e-4)


def test_the_factors_of_cdarts_equation_12() -> None:
    """Cells, edges and operations of both networks on CIFAR-10: the paper's "about 1/6"."""
    with torch.device('meta'):
        search: Any = DARTSSuperNet(num_cells=8)
        evaluation: Any = DARTSNet('cdarts_cifar10', num_cells=20)
    ops = [c for c in search.choices.values() if c.cell == 'normal' and not c.gates]
    edges = [edge for node in evaluation.genotype.cells[0].nodes for edge in node]
    factors = []
    for net, each, width in (
        (search, len(ops), len(ops[0].candidates)),
        (evaluation, len(edges), 1),
    ):
        cells = sum(isinstance(m, CellBlock) for m in net.modules())
        factors.append((cells, each, width))
    assert factors == [(8, 14, 8), (20, 8, 1)]
    assert math.prod(factors[1]) / math.prod(factors[0]) == pytest.approx(1 / 6, abs=0.02)


def test_the_shares_of_eoinas_equation_2() -> None:
    """Over what is left of an edge."""
    algorithm = drawn.build()
    for parameter in algorithm.super_net.arch.values():
        parameter.data = 2 * torch.randn(parameter.shape)
    algorithm.super_net.prune('normal/node3/op1', 4)
    found = algorithm.table.shares().tolist()
    for choice, row in zip(algorithm.table.choices, found, strict=True):
        alpha = algorithm.super_net.arch[choice.name].tolist()
        left = [i for i in range(8) if choice.name != 'normal/node3/op1' or i != 4]
        total = sum(math.exp(alpha[i]) for i in left)
        assert row == pytest.approx([math.exp(alpha[i]) / total * (i in left) for i in range(8)])


def test_the_nodes_of_eoinas_equation_4() -> None:
    """Sums over edges and operations of h times operation, h of eq. 5, in a whole network."""
    algorithm = drawn.build(hard=False).double().eval()
    net = algorithm.super_net
    for parameter in net.arch.values():
        parameter.data = torch.randn(parameter.shape).double()
    before = algorithm.draws.state.clone()
    noise, twin = gumbel(algorithm.draws, torch.Size((28, 8))).double(), copy.deepcopy(net)
    algorithm.draws.state.copy_(before)
    net.mixture, _ = algorithm.draw(True)
    for row, choice in zip(noise, algorithm.table.choices, strict=True):
        # `plain_dag` takes exp over the sum of exp of these
        twin.arch[choice.name].data = (net.arch[choice.name].detach() + row) / algorithm.now
    state, seen = plain.double_state(net), []

    def compare(name: str, module: Any) -> None:
        def hook(module: Any, given: tuple, outputs: list[Tensor]) -> None:
            expected = plain_dag(twin, state, f'{name}.', module.cell, list(given[0]), 'sum')
            for ours, theirs in zip(outputs, expected, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)
            seen.append(module.cell)

        module.register_forward_hook(hook)

    for name, block in net.blocks():
        compare(name, block)
    with torch.no_grad():
        net(images(2, 3, 8, 6).double())
    assert seen == ['normal', 'reduction', 'reduction']


def test_the_step_of_eoinas_equations_6_and_7() -> None:
    """The weights go down L_train, then alpha goes down L_valid at the new weights."""
    algorithm = drawn.build(hard=False)
    optimizers = search_optimizers(algorithm)  # SGD, rates 0.05 and 0.5
    twin = copy.deepcopy(algorithm)
    data = {half: classifier_batch(seed=i) for i, half in enumerate(('train', 'val'))}
    algorithm.train_step(data, optimizers)
    for half, is_arch, rate in (('train', False, 0.05), ('val', True, 0.5)):
        batch = twin.data_preprocessor(data[half], True)
        twin.super_net.mixture, _ = twin.draw(True)
        logits = twin.model(batch['inputs'], mode='tensor')
        mine = [p for n, p in twin.named_parameters() if ('.arch.' in n) == is_arch]
        slopes = torch.autograd.grad(cross_entropy(logits, batch['data_samples']), mine)
        assert all(float(slope.abs().max()) > 0 for slope in slopes if is_arch)
        with torch.no_grad():
            for parameter, slope in zip(mine, slopes, strict=True):
                parameter -= rate * slope
    for name, theirs in twin.named_parameters():
        ours = algorithm.get_parameter(name)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5, msg=name)
