"""Matches tensors: detects format and prefix, and accounts for every tensor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor, nn

from ..backbones.base import Backbone
from ..weights.checkpoint import CheckpointError
from . import chain, darts, keras, resnet
from .links import COUNTER, FormatError, Link, Links, arrange, backbone_of


@dataclass(frozen=True)
class Format:
    """A way to name the tensors of a network.

    Args:
        links: Maps a network and the order of its edges to the names of its tensors there.
        applies: Whether it has names for a network.
        ordered: Whether the order of the edges matters.
    """

    links: Callable[[nn.Module, darts.Order | None], Links]
    applies: Callable[[nn.Module], bool]
    ordered: bool = False


def _own(model: nn.Module, order: darts.Order | None) -> Links:
    return {key: Link((key,)) for key in model.state_dict()}


FORMATS: dict[str, Format] = {
    'ppnas': Format(_own, lambda model: True),
    'darts': Format(partial(darts.links, 'darts'), darts.applies, True),
    'cdarts': Format(partial(darts.links, 'cdarts'), darts.applies, True),
    'chain': Format(lambda m, order: chain.links(m), chain.applies),
    'proxyless': Format(lambda m, order: chain.links_proxyless(m), chain.applies_proxyless),
    'timm': Format(lambda m, order: resnet.links_timm(m), resnet.applies),
    'mmpretrain': Format(lambda m, order: resnet.links_mmpretrain(m), resnet.applies),
    'mmdet': Format(lambda m, order: resnet.links_mmdet(m), resnet.applies),
    'keras-npz': Format(lambda m, order: keras.links(m), keras.applies),
}
"""``ppnas``: the names of this project, after any prefix."""

OTHER_PARTS = re.compile(r'(\w+_)?head|classifier|data_preprocessor|fc(_ckpt_ignored)?|neck')
"""Parts other than the backbone, which are ignored if only a backbone is converted."""


@dataclass
class Report:
    """The result for all tensors of a file.

    Args:
        form: The format of the file.
        prefix: Prefix of every name.
        total: Tensors of the network (without the counters of norms).
        missing: Those that the file lacks or holds in another shape, and why.
        left: Tensors of the file that the network does not have.
        aside: Other content of the file: other parts of a model, optimizers.
        counters: Counters of norms that the file lacks; they start at 0.
    """

    form: str
    prefix: str
    total: int
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    counters: int = 0

    @property
    def matched(self) -> int:
        """Tensors that were found."""
        return self.total - len(self.missing)

    def lines(self, most: int = 10) -> list[str]:
        """Return the lines of the report, with at most this many entries of each list."""
        text = [f'{self.matched}/{self.total} tensors, format {self.form}, prefix {self.prefix!r}']
        lists = {'missing': self.missing, 'left over': self.left, 'left aside': self.aside}
        for name, entries in lists.items():
            if entries:
                shown = ', '.join(entries[:most]) + (' ...' if len(entries) > most else '')
                text.append(f'{name} ({len(entries)}): {shown}')
        if self.counters:
            text.append(f'{self.counters} counters of norms are not in the file: set to 0')
        return text


def _names(links: Links) -> set[str]:
    return {n for key, link in links.items() if not key.endswith(COUNTER) for n in link.names}


def prefixes(keys: Iterable[str], names: set[str]) -> Counter[str]:
    """Count how many of ``names`` occur in the keys after each prefix."""
    found: Counter[str] = Counter()
    for key in keys:
        parts = key.split('.')
        for i in range(len(parts)):
            if '.'.join(parts[i:]) in names:
                found['.'.join([*parts[:i], ''])] += 1
    return found


def _best_prefix(state: Mapping[str, Tensor], links: Links, form: str) -> str:
    ranked = prefixes(state, _names(links)).most_common()
    if not ranked:
        raise CheckpointError(
            f'0/{len(_names(links))} tensors: nothing in the file is named as format {form!r} '
            f'names it; the file begins with {list(state)[:3]}'
        )
    best = [prefix for prefix, count in ranked if count == ranked[0][1]]
    if len(best) > 1:
        raise CheckpointError(f'the file holds the network more than once: --prefix, one of {best}')
    return best[0]


def detect(model: nn.Module, state: Mapping[str, Tensor]) -> str:
    """Return the format that fits a file best, of those with names for the network."""
    scores = {}
    for form, rules in FORMATS.items():
        if rules.applies(model):
            try:
                links = rules.links(model, None)
            except FormatError:
                continue
            scores[form] = max(prefixes(state, _names(links)).values(), default=0) / len(links)
    return max(scores, key=lambda form: scores[form])


def written_edges(model: nn.Module, edges: str | None) -> str | None:
    """Return the name of the edge order that :func:`to_format` writes."""
    genotype = getattr(backbone_of(model)[1], 'genotype', None)
    if edges is None and genotype is not None and darts.edge_order(genotype, None) is None:
        return 'ascending'
    return edges


def _links(model: nn.Module, form: str, edges: str | None, reading: bool) -> Links:
    rules = FORMATS[form]
    if not rules.applies(model):
        name = type(backbone_of(model)[1]).__name__
        raise FormatError(f'format {form!r} has no names for {name}')
    order = None
    if rules.ordered:
        order = darts.edge_order(backbone_of(model)[1].genotype, edges)  # type: ignore[arg-type]
        if order is None and reading:
            raise FormatError(
                f'format {form!r} numbers the edges of a node in the order of its own genotype, '
                'which the file does not tell: --edges "Genotype(normal=...)" or --edges ascending'
            )
    return rules.links(model, order)


def from_format(
    model: nn.Module,
    state: Mapping[str, Tensor],
    form: str,
    prefix: str | None = None,
    edges: str | None = None,
) -> tuple[dict[str, Tensor], Report]:
    """Find the tensors of a network in those of a file.

    Args:
        model: The network; it is not changed.
        state: The tensors of the file.
        form: A key of :data:`FORMATS`.
        prefix: Prefix of all names; ``None``: the one that fits best.
        edges: See :func:`.darts.edge_order`.

    Returns:
        A state dict of the network, in which missing tensors keep the values of the network, and
        the report.  Missing counters of norms are 0.

    Raises:
        CheckpointError: If nothing is found, or the prefix is not clear.
        FormatError: If the format has no names for the network.
    """
    links = _links(model, form, edges, reading=True)
    prefix = _best_prefix(state, links, form) if prefix is None else prefix
    given = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    outside = [k for k in state if not k.startswith(prefix)]
    given = keras.fold(given) if form == 'keras-npz' else given
    own = model.state_dict()
    report = Report(form, prefix, sum(not key.endswith(COUNTER) for key in own))
    result, used = {}, set()
    for key, value in own.items():
        name = next((n for n in links[key].names if n in given), None)
        result[key] = value.clone()
        if name is None:
            if key.endswith(COUNTER):
                report.counters += 1
                result[key] = value.new_zeros(value.shape)
            else:
                report.missing.append(f'{key} ({links[key].names[0]})')
            continue
        used.add(name)
        tensor = arrange(given[name], links[key].layout, ours=True)
        if tensor.shape != value.shape:
            shapes = f'{tuple(tensor.shape)}, not {tuple(value.shape)}'
            report.missing.append(f'{key} ({name}: {shapes})')
        else:
            result[key] = tensor.to(value.dtype).contiguous()
    unused = [k for k in given if k not in used]
    alone = isinstance(model, Backbone)
    report.aside = outside if alone else []
    report.aside += [prefix + k for k in unused if alone and OTHER_PARTS.fullmatch(k.split('.')[0])]
    report.left = [k for k in (prefix + k for k in unused) if k not in report.aside]
    report.left += [] if alone else outside
    return result, report


def to_format(model: nn.Module, form: str, edges: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a network under the names of a format.

    Args:
        model: The network.
        form: A key of :data:`FORMATS`.
        edges: See :func:`.darts.edge_order`; ``None`` for an unpublished genotype: ascending.

    Raises:
        FormatError: If the format has no names for the network.
    """
    links = _links(model, form, edges, reading=False)
    state = {}
    for key, value in model.state_dict().items():
        if form == 'keras-npz' and key.endswith(COUNTER):
            continue
        state[links[key].names[0]] = arrange(value, links[key].layout, ours=False)
    if form == 'keras-npz':
        net = backbone_of(model)[1]
        return {keras.rename(k, keras.TO_KERAS): v for k, v in keras.unfold(state, net).items()}
    return state
