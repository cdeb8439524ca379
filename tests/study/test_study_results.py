"""What a study makes of finished searches, against plain computations over a made-up table."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nb201_table import brute_signed_rank, brute_tau
from small_searches import write_search
from studies import SETS, accuracies, made_plan, some_cells, write_plan, write_result

from ppnas_mm.study.page import write_page
from ppnas_mm.study.plan import load_plan
from ppnas_mm.study.rank import draw
from ppnas_mm.study.results import correlations, costs, results
from ppnas_mm.tables import NASBench201Table
from ppnas_mm.utils.files import read_json, write_json
from ppnas_mm.visualize.study import draw_curves

DATASETS = ['cifar100-test', 'cifar10-test']
COLUMN = {name: i for i, name in enumerate(SETS.values())}


def truth(cell: str, dataset: str = DATASETS[0]) -> float:
    """The accuracy of a cell."""
    return accuracies()[cell][COLUMN[dataset]]


def plain_rank(cell: str) -> int:
    """1 + how many are better."""
    return 1 + sum(row[COLUMN[DATASETS[0]]] > truth(cell) for row in accuracies().values())


def plain_mean(values: list[float]) -> dict[str, float]:
    """Mean and deviation of a population."""
    mean = sum(values) / len(values)
    sd = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
    return {'mean': pytest.approx(mean, abs=6e-5), 'sd': pytest.approx(sd, abs=6e-5)}


@pytest.fixture
def study(tmp_path: Path) -> tuple[Any, Path, dict[str, list[list[str]]]]:
    """A plan of two rows and three seeds, its folder, and the cells after each epoch."""
    plan = made_plan(
        tmp_path, {'one': 'gdas', 'two': 'params'}, datasets=DATASETS, seeds=[0, 2, 5],
        against=['two'], cells=6, title='Made up',
    )  # fmt: skip
    cells = {'one': [some_cells(4, seed) for seed in range(3)],
             'two': [some_cells(1, 10 + seed) for seed in range(3)]}  # fmt: skip
    for row, found in cells.items():
        for seed, path in zip((0, 2, 5), found, strict=True):
            place = tmp_path / 'work' / row / f'seed-{seed}'
            write_result(plan, place, path, seconds=seed + 1.5)
    return plan, tmp_path / 'work', cells


def test_each_seed_is_looked_up(study: Any) -> None:
    plan, folder, cells = study
    found = results(plan, folder)
    best = max(row[COLUMN[DATASETS[0]]] for row in accuracies().values())
    for row, paths in cells.items():
        for seed, path in zip((0, 2, 5), paths, strict=True):
            expected: dict[str, Any] = {
                'architecture': path[-1],
                'accuracy': {d: truth(path[-1], d) for d in DATASETS},
                'regret': pytest.approx(best - truth(path[-1]), abs=6e-5),
                'rank': plain_rank(path[-1]),
                'better': pytest.approx((plain_rank(path[-1]) - 1) / 5**6, abs=6e-7),
            }
            if row == 'one':  # epoch by epoch
                expected['by_epoch'] = [(i, truth(cell)) for i, cell in enumerate(path, 1)]
            assert found['rows'][row]['seeds'][str(seed)] == expected
    assert found['architectures'] == 5**6 and found['seeds'] == [0, 2, 5]
    for dataset in DATASETS:
        values = [row[COLUMN[dataset]] for row in accuracies().values()]
        about = found['datasets'][dataset]
        assert about['optimum'] == max(values)
        assert about['mean'] == pytest.approx(sum(values) / len(values), abs=6e-5)


def test_rows_are_means_over_seeds(study: Any) -> None:
    plan, folder, cells = study
    found = results(plan, folder)
    for row, paths in cells.items():
        summary = found['rows'][row]['summary']
        assert (summary['done'], summary['failed']) == (3, 0)
        for dataset in DATASETS:
            assert summary[dataset] == plain_mean([truth(path[-1], dataset) for path in paths])
    assert costs(plan, folder) == {row: {'0': 1.5, '2': 3.5, '5': 6.5} for row in cells}


def test_rows_are_tested_against_another_by_seed(study: Any) -> None:
    plan, folder, cells = study
    found = results(plan, folder)
    differences = [truth(a[-1]) - truth(b[-1])
                   for a, b in zip(cells['one'], cells['two'], strict=True)]  # fmt: skip
    mean = sum(differences) / 3
    variance = sum((d - mean) ** 2 for d in differences) / 2
    t = mean / math.sqrt(variance / 3)
    p = 1 - abs(t) / math.sqrt(t * t + 2)  # of Student's t with two degrees of freedom
    test = found['rows']['one']['tests']['two']
    assert test['seeds'] == 3
    assert test['difference'] == pytest.approx(mean, abs=6e-5)
    assert test['p'] == pytest.approx(p, abs=6e-7)
    assert test['p_signed_rank'] == pytest.approx(brute_signed_rank(differences), abs=6e-7)
    assert found['rows']['two']['tests'] == {}


def test_what_failed_or_is_not_done_is_left_out(study: Any) -> None:
    plan, folder, cells = study
    done = folder / 'one/seed-2/done.json'
    write_json(done, {**read_json(done), 'failed': 'nothing whole'})
    (folder / 'two/seed-5/done.json').unlink()
    found = results(plan, folder)['rows']
    assert found['one']['seeds']['2'] == {'failed': 'nothing whole'}
    assert list(found['two']['seeds']) == ['0', '2']
    assert (found['one']['summary']['done'], found['one']['summary']['failed']) == (3, 1)
    kept = [truth(cells['one'][i][-1]) for i in (0, 2)]
    assert found['one']['summary'][DATASETS[0]] == plain_mean(kept)
    test = found['one']['tests']['two']  # only seed 0 is in both
    difference = truth(cells['one'][0][-1]) - truth(cells['two'][0][-1])
    expected = {'seeds': 1, 'difference': pytest.approx(difference, abs=6e-5), 'p': None}
    assert test == expected | {'p_signed_rank': None}
    text = write_page(plan, folder, 'a command', [])
    assert '| one (Fail: 1) |' in text and '| Fail |' in text
    (line,) = [row for row in text.splitlines() if row.startswith('| one | ') and 'Fail' in row]
    assert line == f'| one | {kept[0]:.2f} | Fail | {kept[1]:.2f} |'


def test_nothing_is_done_yet(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, {'one': 'gdas'}, seeds=[0])
    found = results(plan, tmp_path / 'work')
    assert found['rows']['one']['seeds'] == {}
    assert found['rows']['one']['summary'] == {'done': 0, 'failed': 0}
    (tmp_path / 'work').mkdir()
    text = write_page(plan, tmp_path / 'work', 'a command', ['one, seed 0'])
    assert 'Left to other processes:\n\n- one, seed 0' in text and 'Not run yet' not in text
    assert not list((tmp_path / 'work').glob('*.svg'))


def test_the_page_says_what_the_results_say(study: Any) -> None:
    plan, folder, cells = study
    text = write_page(plan, folder, 'python tools/study.py x.yml', [])
    assert (folder / 'study.md').read_text() == f'{text}\n'
    found = read_json(folder / 'results.json')
    assert found['title'] == 'Made up' and 'python tools/study.py' in text.splitlines()[2]
    first = [truth(path[-1]) for path in cells['one']]
    mean, sd = sum(first) / 3, float(np.std(first))
    (line,) = [row for row in text.splitlines() if row.startswith(f'| one | {mean:.2f} ± ')]
    assert line.split(' | ')[1] == f'{mean:.2f} ± {sd:.2f}'
    ranks = [plain_rank(path[-1]) for path in cells['one']]
    assert line.split(' | ')[3] == f'{sum(ranks) / 3:,.0f}'
    seeds = ' | '.join(f'{value:.2f}' for value in first)
    assert f'| one | {seeds} |' in text
    pictures = {path.name for path in folder.glob('*.svg')}
    assert pictures == {'epochs.svg', 'costs.svg'}
    assert all(f']({name})' in text for name in pictures)
    before = (folder / 'results.json').read_bytes()
    write_page(plan, folder, 'another command', ['x'])
    assert (folder / 'results.json').read_bytes() == before


# -- rankings --------------------------------------------------------------------------------------


def plain_spearman(a: list[float], b: list[float]) -> float:
    """Correlation of mean ranks."""
    ranks = [[sum(o < v for o in values) + (values.count(v) + 1) / 2 for v in values]
             for values in (a, b)]  # fmt: skip
    return float(np.corrcoef(ranks)[0, 1])


@pytest.mark.parametrize('lost', [0, 3])
def test_correlations_are_those_of_all_pairs(lost: int, tmp_path: Path) -> None:
    plan = made_plan(tmp_path, {'one': 'gdas'})
    table = NASBench201Table.load(plan.table)
    rng = np.random.default_rng(0)
    cells = some_cells(21, 1)
    scores: dict[str, float | None] = {cell: float(rng.integers(8)) for cell in cells}
    for cell in cells[:lost]:
        scores[cell] = None
    found = correlations(scores, table, 'cifar100')
    pairs = [(float(scores[c] or 0), truth(c)) for c in cells[lost:]]
    middle = sorted(y for _, y in pairs)[len(pairs) // 2 - (len(pairs) % 2 == 0)]
    if len(pairs) % 2 == 0:
        middle = (middle + sorted(y for _, y in pairs)[len(pairs) // 2]) / 2
    best = [(x, y) for x, y in pairs if y >= middle]
    assert found['ranked'] == 21 - lost and 5 < len(best) < len(pairs)
    for end, kept in (('', pairs), ('_best_half', best)):
        x, y = (list(part) for part in zip(*kept, strict=True))
        assert found[f'tau{end}'] == pytest.approx(brute_tau(x, y), abs=6e-5)
        assert found[f'spearman{end}'] == pytest.approx(plain_spearman(x, y), abs=6e-5)


def test_equal_scores_have_no_order(tmp_path: Path) -> None:
    table = NASBench201Table.load(made_plan(tmp_path, {'one': 'gdas'}).table)
    found = correlations(dict.fromkeys(some_cells(5, 2), 1.0), table, 'cifar10')
    assert found == dict.fromkeys(
        ('tau', 'tau_best_half', 'spearman', 'spearman_best_half'), None
    ) | {'ranked': 5}
    assert correlations(dict.fromkeys(some_cells(5, 2)), table, 'cifar10') == {'ranked': 0}


def test_rankings_are_averaged_over_seeds(study: Any) -> None:
    plan, folder, _ = study
    rng, taus = np.random.default_rng(4), []
    for seed in (0, 2):
        scores = {cell: float(rng.random()) for cell in some_cells(9, 40 + seed)}
        write_json(folder / f'one/seed-{seed}/ranking.json', {'by': 'alpha', 'scores': scores})
        taus.append(round(brute_tau(list(scores.values()), [truth(c) for c in scores]), 4))
    found = results(plan, folder)['rows']['one']
    assert [found['seeds'][s]['tau'] for s in ('0', '2')] == pytest.approx(taus)
    assert found['summary']['tau'] == plain_mean(taus)
    assert 'tau' not in found['seeds']['5']
    text = write_page(plan, folder, 'a command', [])
    assert 'Rankings of 6 random architectures' in text
    assert f'| one | {sum(taus) / 2:.3f} ± {float(np.std(taus)):.3f} |' in text


def test_rankings_are_compared_over_what_all_have_scored(tmp_path: Path) -> None:
    given = {name: {'config': str(write_search('gdas', tmp_path)), 'ranks': 'super-net'}
             for name in ('kept', 'pruned')}  # fmt: skip
    plan = load_plan(write_plan(tmp_path, given, seeds=[0, 1], same_cells=list(given)))
    cells, rng, taus = some_cells(12, 3), np.random.default_rng(5), {}
    left = [truth(cell, 'cifar10-test') for cell in cells[4:]]
    for seed in (0, 1):
        scores = {name: dict(zip(cells, map(float, rng.random(12)), strict=True)) for name in given}
        lost = {**scores['pruned'], **dict.fromkeys(cells[:4])}
        for name, values in (('kept', scores['kept']), ('pruned', lost)):
            place = tmp_path / f'work/{name}/seed-{seed}'
            write_result(plan, place, some_cells(1, 7))
            write_json(place / 'ranking.json', {'by': 'super-net', 'scores': values})
        taus[str(seed)] = {
            name: round(brute_tau([scores[name][c] for c in cells[4:]], left), 4) for name in given
        }
    found = results(plan, tmp_path / 'work')
    assert found['same_cells'] == {
        seed: {'architectures': 8, 'tau': pytest.approx(tau)} for seed, tau in taus.items()
    }
    text = write_page(plan, tmp_path / 'work', 'a command', [])
    a, b = (tau['pruned'] - tau['kept'] for tau in taus.values())
    p = 1 - 2 / math.pi * math.atan(abs(a + b) / abs(a - b))  # of Student's t, one degree
    for name, p_name in (('kept', '-'), ('pruned', f'{p:.3f}')):
        x, y = (tau[name] for tau in taus.values())
        assert f'| {name} | {x:.3f} | {y:.3f} | {(x + y) / 2:.3f} | {p_name} |' in text
    assert '| seed | 0 | 1 | mean | p (t), kept |' in text and '| architectures | 8 | 8 |' in text


def test_a_row_that_was_not_run_is_named_and_has_no_line(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, {'one': 'gdas', 'late': 'gdas'}, seeds=[0])
    write_result(plan, tmp_path / 'work/one/seed-0', some_cells(1, 7))
    text = write_page(plan, tmp_path / 'work', 'a command', [])
    assert 'Not run yet: late.' in text
    assert '| one |' in text and '| late |' not in text


def test_a_found_cell_that_the_table_lacks_is_named(study: Any) -> None:
    plan, folder, cells = study
    lost = cells['one'][1][-1]
    lines = plan.table.read_text().splitlines()
    plan.table.write_text('\n'.join(line for line in lines if lost not in line) + '\n')
    found = results(plan, folder)['rows']['one']
    assert found['seeds']['2'] == {'failed': f'the table lacks {lost}'}
    assert found['summary']['failed'] == 1
    assert f'Failed:\n\n- one, seed 2: the table lacks {lost}' in write_page(plan, folder, 'x', [])


def test_a_curve_has_the_epochs_that_all_seeds_have(tmp_path: Path) -> None:
    long, short = [[1, 10.0], [2, 20.0], [3, 30.0], [4, 40.0]], [[3, 50.0], [4, 60.0]]
    about = {'title': 'x', 'datasets': {'cifar10-test': {'mean': 50.0, 'optimum': 90.0}}}
    for name, first in (('whole.svg', long), ('ends.svg', long[2:])):
        seeds = {'0': {'by_epoch': first}, '1': {'by_epoch': short}}
        draw_curves({**about, 'rows': {'one': {'seeds': seeds}}}, tmp_path / name)
    assert (tmp_path / 'whole.svg').read_bytes() == (tmp_path / 'ends.svg').read_bytes()


def test_rankings_skip_what_the_table_lacks() -> None:
    cells = some_cells(6, 4)
    table = NASBench201Table({'cifar10-test': [float(i + 2) for i in range(5)]}, cells[:5])
    scores = {cell: float(i) for i, cell in enumerate(cells)}
    assert correlations(scores, table, 'cifar10-test') == correlations(
        {cell: scores[cell] for cell in cells[:5]}, table, 'cifar10-test'
    )


def test_a_search_that_trains_no_alpha_has_no_curve(study: Any) -> None:
    plan, folder, _ = study
    path = folder / 'one/seed-0/search/search.json'
    record = json.loads(path.read_text())
    for weights in record['epochs'][0]['architecture'].values():
        weights[:] = [0.2] * 5
    path.write_text(json.dumps(record))
    seeds = results(plan, folder)['rows']['one']['seeds']
    assert 'by_epoch' not in seeds['0'] and 'by_epoch' in seeds['2']


def test_pictures_name_their_numbers_and_lines(study: Any) -> None:
    plan, folder, _ = study
    write_page(plan, folder, 'a command', [])
    for name in ('costs.svg', 'epochs.svg'):
        picture = (folder / name).read_text()
        words = re.findall(r'<text[^>]*>([^<]*)</text>', picture)
        assert {'best of all', 'mean of all', 'one'} <= set(words)
        assert not any('$' in word for word in words)


def test_pictures_of_an_earlier_page_are_removed(study: Any) -> None:
    plan, folder, _ = study
    write_page(plan, folder, 'a command', [])
    assert (folder / 'epochs.svg').is_file() and (folder / 'costs.svg').is_file()
    for seed in plan.seeds:
        (folder / f'one/seed-{seed}/done.json').unlink()
    text = write_page(plan, folder, 'a command', [])
    assert not (folder / 'epochs.svg').exists() and 'epochs.svg' not in text


def test_a_published_page_names_no_work_dir(study: Any, tmp_path: Path) -> None:
    plan, folder, _ = study
    text = write_page(plan, folder, 'a command --work-dir here', [], tmp_path / 'page')
    assert '`a command --work-dir here`' in text.replace('OMP_NUM_THREADS=1 ', '')
    page = (tmp_path / 'page/study.md').read_text()
    assert '--work-dir' not in page and page.replace('command', 'command --work-dir here', 1) == (
        f'{text}\n'
    )


def test_the_same_architectures_are_drawn_for_every_row(tmp_path: Path) -> None:
    plan = made_plan(tmp_path, {'one': 'gdas'}, cells=30)
    drawn = [NASBench201Table.encode(genotype) for genotype in draw(plan)]
    assert drawn == [NASBench201Table.encode(g) for g in draw(plan)] and len(set(drawn)) == 30
    order = np.random.default_rng(0).permutation(5**6)[:30]
    assert drawn == [list(accuracies())[i] for i in order]
