"""EoiNAS operation by operation, with the matrices of equation 11: the slow, plain formula."""

import math

import numpy as np


class PlainChain:
    """Equations 11 and 12 for one operation: states are rows (l, d), matrices 2 x 2."""

    def __init__(self, start=(0.25,) * 4, end=(0.4, 0.3, 0.2, 0.1), bound=24):
        self.states = [np.array([0.5, 0.5])]
        self.matrices = [np.array([[0.5, 0.5], [0.5, 0.5]])]
        self.start, self.end, self.bound, self.count = start, end, bound, 0

    def step(self, change, progress):
        """Take in a change of the indicator; return the new state."""
        q = self.matrices[-1].copy()
        sign = 0 if abs(change) <= 1e-6 else math.copysign(1, change)
        if abs(self.count + sign) <= self.bound:
            self.count += sign
            q += sign * np.array([[0.02, -0.02], [0.01, -0.01]])
        self.matrices[-1] = q
        order = min(len(self.start), len(self.states))
        pairs = list(zip(self.start, self.end, strict=True))[:order]
        sigma = [(1 - progress) * a + progress * b for a, b in pairs]
        terms = [
            s / sum(sigma) * (self.states[-m] @ self.matrices[-m]) for m, s in enumerate(sigma, 1)
        ]
        self.states.append(sum(terms))
        self.matrices.append(q.copy())
        return self.states[-1]


def plain_indicator(events, steps, beta, weight=0.5):
    """Equations 8 to 10 for one edge.

    Args:
        events: ``(epoch, 'train' or 'val', operation, accuracy)`` since the last pruning.
        steps: Steps of the weights in an epoch.
        beta: Softmax of alpha by operation, those alive.
    """
    relative = {}
    for op in beta:
        trained = sum(kind == 'train' and o == op for _, kind, o, _ in events)
        epochs = [e for e, kind, o, _ in events if kind == 'val' and o == op]
        if not trained or not epochs:
            continue
        last = [a for e, kind, o, a in events if (e, kind, o) == (max(epochs), 'val', op)]
        relative[op] = (sum(last) / len(last)) / (trained / steps)
    if relative:
        mean = sum(relative.values()) / len(relative)
    else:
        mean = 0.0
    c = {op: relative.get(op, mean) for op in beta}
    total = sum(math.exp(v) for v in c.values())
    return {op: math.exp(c[op]) / total + weight * beta[op] for op in beta}
