"""What the tests of pictures share: the texts of an SVG, and where they are."""

import re

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from test_visualize import words

POINT = re.compile(r'[-+\d.e]+')


def text_boxes(root):
    """Text, left, top, right and bottom of each level text, from the font's own outlines."""
    found = []
    for element in root.iter():
        if not element.tag.endswith('}text'):
            continue
        style, text = element.get('style'), ''.join(element.itertext()).strip()
        size = float(re.search(r'font(?:-size)?:[^;]*?([\d.]+)px', style)[1])
        bold = '700' in style or 'bold' in style
        font = FontProperties(family='DejaVu Sans', weight='bold' if bold else 'normal')
        outline = TextPath((0, 0), text, size=size, prop=font).get_extents() if text else None
        turn = re.search(r'rotate\(([-\d.]+)', element.get('transform') or '')
        if outline is None or (turn and float(turn[1])):
            continue
        x, y = element.get('x'), element.get('y')
        if x is None:
            x, y = POINT.findall(element.get('transform').split('translate')[1])[:2]
        x, y = float(x), float(y)
        shift = {'middle': 0.5, 'end': 1}.get((re.search(r'anchor: (\w+)', style) or ' x')[1], 0)
        x -= shift * outline.width
        found.append((text, x, y - outline.y1, x + outline.width, y - outline.y0))
    return found


def check_texts(root):
    """No text leaves the page, and no two cover each other."""
    width, height = map(float, root.get('viewBox').split()[2:])
    boxes = text_boxes(root)
    assert len(boxes) > 1
    for text, left, top, right, bottom in boxes:
        assert left >= 0 and right <= width and top >= 0 and bottom <= height, text
    for k, (text, *a) in enumerate(boxes):
        for other, *b in boxes[:k]:
            across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
            assert min(across, down) < 1, (text, other)
    assert {text for text, *_ in boxes} <= set(words(root))
