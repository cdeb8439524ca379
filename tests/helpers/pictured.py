"""What the tests of pictures share: the texts of an SVG, and where they are."""

import math
import re

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from svg import words

POINT = re.compile(r'[-+\d.e]+')


def text_boxes(root):
    """Text, left, top, right, bottom and angle of each text, from the font's own outlines."""
    found = []
    for element in root.iter():
        if not element.tag.endswith('}text') or not ''.join(element.itertext()).strip():
            continue
        style, text = element.get('style'), ''.join(element.itertext()).strip()
        size = float(re.search(r'font(?:-size)?:[^;]*?([\d.]+)px', style)[1])
        bold = '700' in style or 'bold' in style
        font = FontProperties(family='DejaVu Sans', weight='bold' if bold else 'normal')
        outline = TextPath((0, 0), text, size=size, prop=font).get_extents()
        turn = element.get('transform') or ''
        angle = float((re.search(r'rotate\(([-\d.]+)', turn) or ' 0')[1])
        at = (element.get('x'), element.get('y'))
        x, y = map(float, at if at[0] else POINT.findall(turn.split('translate')[1])[:2])
        shift = {'middle': 0.5, 'end': 1}.get((re.search(r'anchor: (\w+)', style) or ' x')[1], 0)
        left, radians = -shift * outline.width, math.radians(angle)
        corners = [
            (x + a * math.cos(radians) - b * math.sin(radians),
             y + a * math.sin(radians) + b * math.cos(radians))
            for a in (left, left + outline.width)
            for b in (-outline.y1, -outline.y0)
        ]  # fmt: skip
        xs, ys = zip(*corners, strict=True)
        found.append((text, min(xs), min(ys), max(xs), max(ys), angle))
    return found


def check_texts(root):
    """No text leaves the page, and no two level ones cover each other."""
    width, height = map(float, root.get('viewBox').split()[2:])
    boxes = text_boxes(root)
    assert len(boxes) > 1
    for text, left, top, right, bottom, _ in boxes:
        assert left >= 0 and right <= width and top >= 0 and bottom <= height, text
    level = [box[:5] for box in boxes if box[5] == 0]
    for k, (text, *a) in enumerate(level):
        for other, *b in level[:k]:
            across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert min(across, down) < 1, (text, other)
    assert {text for text, *_ in boxes} <= set(words(root))
