"""AuxiliaryClsHead: against torch's own operations, and what it refuses."""

from typing import Any

import pytest
import torch
from mmpretrain.structures import DataSample
from torch.nn import functional
from zoo import images, scramble

from ppnas_mm.registry import MODELS

CLASSES, LAST, AUX = 7, 12, 6
SIDES = {'cifar': 8, 'imagenet': 7}


def head(variant: str = 'cifar', **kwargs: Any) -> Any:
    config = dict(
        type='ppnas_mm.AuxiliaryClsHead', num_classes=CLASSES, in_channels=LAST, aux_channels=AUX,
        variant=variant, loss=dict(type='mmpretrain.CrossEntropyLoss'),
    )  # fmt: skip
    return MODELS.build({**config, **kwargs})


def maps(variant: str, side: int = 0, number: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    side = side or SIDES[variant]
    return images(number, AUX, side, side), images(number, LAST, 3, 5, seed=2)


def samples(number: int = 4) -> list[DataSample]:
    return [DataSample().set_gt_label(i % CLASSES) for i in range(number)]


def plain_tower(x: torch.Tensor, state: dict[str, torch.Tensor], variant: str) -> torch.Tensor:
    """The tower in evaluation mode, from its tensors in their order."""
    tensors = [v for k, v in state.items() if 'num_batches' not in k and k.startswith('auxiliary')]

    def norm(y: torch.Tensor) -> torch.Tensor:
        gamma, beta, mean, var = (tensors.pop(0)[:, None, None] for _ in range(4))
        return (y - mean) / (var + 1e-5).sqrt() * gamma + beta

    stride = {'cifar': 3, 'imagenet': 2}[variant]
    windows = x.relu().unfold(2, 5, stride).unfold(3, 5, stride)
    y = windows.mean((-1, -2))
    y = norm(functional.conv2d(y, tensors.pop(0))).relu()
    y = functional.conv2d(y, tensors.pop(0))
    y = (norm(y) if variant == 'cifar' else y).relu()
    assert y.shape[1:] == (768, 1, 1)
    weight, bias = tensors
    return y.flatten(1) @ weight.T + bias


@pytest.mark.parametrize('variant', SIDES)
def test_is_the_formula(variant: str) -> None:
    net = scramble(head(variant)).double().eval()
    aux, last = (m.double() for m in maps(variant))
    expected = plain_tower(aux, net.state_dict(), variant)
    assert torch.allclose(net.auxiliary(aux), expected, atol=1e-12)
    expected = last.mean((2, 3)) @ net.fc.weight.T + net.fc.bias
    assert torch.allclose(net((aux, last)), expected, atol=1e-12)


@pytest.mark.parametrize('variant', SIDES)
def test_number_of_parameters(variant: str) -> None:
    found = sum(p.numel() for p in head(variant).parameters())
    tower = AUX * 128 + 2 * 128 + 128 * 768 * 4 + (2 * 768 if variant == 'cifar' else 0)
    assert found == tower + (768 + 1) * CLASSES + (LAST + 1) * CLASSES


@pytest.mark.parametrize('variant', SIDES)
@pytest.mark.parametrize('soft', [False, True])
def test_loss_of_both_classifiers(variant: str, soft: bool) -> None:
    net = head(variant, loss=dict(type='mmpretrain.CrossEntropyLoss', use_soft=soft))
    feats, given = maps(variant), samples()
    if soft:
        given = [s.set_gt_score(functional.one_hot(s.gt_label[0], CLASSES).float()) for s in given]
    losses = net.train().loss(feats, given)
    assert set(losses) == {'loss', 'loss_aux'}
    labels = torch.tensor([0, 1, 2, 3])
    main = functional.cross_entropy(net(feats), labels)
    aux = functional.cross_entropy(net.auxiliary(feats[0]), labels)
    assert torch.allclose(losses['loss'], main)
    assert torch.allclose(losses['loss_aux'], 0.4 * aux)
    assert net.loss(feats, given, reduction_override='none')['loss_aux'].shape == (4,)


def test_trains_every_parameter_and_leaves_the_map_as_it_is() -> None:
    net, feats = head().train(), maps('cifar')
    before = feats[0].clone()
    sum(net.loss(feats, samples()).values()).backward()
    assert torch.equal(feats[0], before)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_larger_maps_are_averaged() -> None:
    net = head('imagenet').train()
    assert net.auxiliary(maps('imagenet', side=10)[0]).shape == (4, CLASSES)


@pytest.mark.parametrize('variant', SIDES)
def test_with_a_backbone_and_no_tower_in_prediction(variant: str) -> None:
    backbone: dict[str, Any] = dict(
        type='ppnas_mm.DARTSNet', arch='cdarts_cifar10', variant=variant, num_cells=3,
        init_channels=4, auxiliary=True, out_indices=(2 if variant == 'cifar' else 3,),
    )  # fmt: skip
    given = dict(aux_channels=64, in_channels=64, variant=variant)
    config = dict(type='ppnas_mm.AuxiliaryClsHead', num_classes=CLASSES, **given)
    model = MODELS.build(dict(type='mmpretrain.ImageClassifier', backbone=backbone, head=config))
    calls: list[int] = []
    model.head.auxiliary.register_forward_hook(lambda *_: calls.append(1))
    x = images(4, 3, *([32, 32] if variant == 'cifar' else [224, 224]))
    assert set(model.train().loss(x, samples())) == {'loss', 'loss_aux'} and calls == [1]
    assert set(model.eval().loss(x, samples())) == {'loss'}
    assert len(model.predict(x)) == 4 and calls == [1]


def test_errors_name_the_cause() -> None:
    with pytest.raises(ValueError, match="variant='mnist'"):
        head('mnist')
    net = head().train()
    aux, last = maps('cifar')
    for wrong in ((last,), (last, last)):
        with pytest.raises(ValueError, match='auxiliary=True'):
            net.loss(wrong, samples())
    with pytest.raises(ValueError, match='7 x 7, expected 8 x 8'):
        net.loss((aux[..., :7, :7], last), samples())
