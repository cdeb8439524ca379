'use strict';
// Draws the data of the page: the architecture at an epoch, the curves, and a strip for each choice.
document.documentElement.classList.add('js');
const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const label = (node) => 'x⁽' + String(node + 1).replace(/\d/g, (d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[d]) + '⁾';
const last = data.epochs.length - 1;
const steps = data.epochs.length + (data.found.length ? 1 : 0);

function make(name, attributes = {}, parent = null, text = '') {
  const svg = ['svg', 'g', 'rect', 'path', 'line', 'text', 'circle', 'title', 'polyline'];
  const known = svg.includes(name);
  const element = known ? document.createElementNS('http://www.w3.org/2000/svg', name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== '') element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

// null in the data repeats the shares of the epoch before
for (const choice of data.choices) {
  choice.rows.forEach((row, i) => { choice.rows[i] = row || choice.rows[i - 1] || []; });
}
const colour = (op) => '--c:' + (data.ops[op] || '#868d96');
const share = (value) => (value / 1000).toFixed(2);

// -- the architecture ------------------------------------------------------------------------------

// A node of a cell at a step: its lines (an operation each) and what it reads.
function nodeAt(choices, step) {
  const lines = [];
  const gates = choices.find((c) => c.gates);
  for (const choice of choices.filter((c) => !c.gates)) {
    const row = choice.rows[step];
    const best = choice.best[step];
    const off = !row.some((value) => value > 0);
    const open = gates && gates.rows[step].length ? gates.rows[step] : null;
    const reads = [];
    if (choice.source !== null) {
      const gate = open ? open[gates.options.indexOf(String(choice.source))] : Math.max(...row);
      reads.push({node: choice.source, share: off ? 0 : gate, coloured: best >= 0});
    } else if (open) {
      open.forEach((value, i) => reads.push({node: Number(gates.options[i]), share: value}));
    } else {
      reads.push({node: choice.node - 1, share: 1000});
    }
    const op = off ? 'pruned' : best < 0 ? 'undecided' : choice.options[best];
    lines.push({op, off, row, options: choice.options, reads,
      value: best < 0 ? '' : share(row[best])});
  }
  return lines;
}

function nodeFound(edges, choices) {
  const lines = edges.map((edge) => ({op: edge.op, off: false, value: '', reads: edge.sources.map(
    (node) => ({node, share: 1000, coloured: edge.sources.length === 1}))}));
  for (const choice of choices) {
    if (choice.source === null || edges.some((e) => e.sources.includes(choice.source))) continue;
    lines.push({op: 'not kept', off: true, value: '', reads: [{node: choice.source, share: 0}]});
  }
  return lines.sort((a, b) => a.reads[0].node - b.reads[0].node);
}

// The cells at a step: name, number of inputs, and the lines of each node.
function cellsAt(step) {
  const names = step > last ? data.found.map((cell) => cell.name)
    : [...new Set(data.choices.map((choice) => choice.cell))];
  return names.map((name) => {
    const own = data.choices.filter((choice) => choice.cell === name);
    const cell = data.found.find((found) => found.name === name);
    if (step > last) {
      const nodes = cell.nodes.map((edges, i) => [cell.inputs + i,
        nodeFound(edges, own.filter((c) => c.node === cell.inputs + i && !c.gates))]);
      return {name, inputs: cell.inputs, nodes};
    }
    const numbers = [...new Set(own.map((c) => c.node))].sort((a, b) => a - b);
    const nodes = numbers.map((n) => [n, nodeAt(own.filter((c) => c.node === n), step)]);
    return {name, inputs: numbers[0], nodes};
  });
}

const LEFT = 112, WIDTH = 340, LINE = 32, GAP = 12, NAME = 40;

function drawLine(svg, line, y) {
  const group = make('g', {class: line.off ? 'off' : '', style: colour(line.op)}, svg);
  const width = WIDTH - LEFT - NAME - 6;
  make('rect', {class: 'fill', x: LEFT + NAME, y: y + 3, width, height: LINE - 6, rx: 3}, group);
  const name = line.op.length > 22 ? line.op.slice(0, 21) + '…' : line.op;
  make('text', {x: LEFT + NAME + 6, y: y + 17}, group, name);
  make('text', {x: WIDTH - 10, y: y + 17, 'text-anchor': 'end'}, group, line.value);
  if (!line.row || line.off) return;
  let x = LEFT + NAME + 6;
  const bar = width - 12;
  const total = line.row.reduce((sum, value) => sum + value, 0);
  line.row.forEach((value, i) => {
    const part = bar * value / total;
    const rect = make('rect', {class: 'bar', x, y: y + 22, width: part, height: 4,
      style: colour(line.options[i])}, group);
    make('title', {}, rect, line.options[i] + ' ' + share(value));
    x += part;
  });
}

function drawArc(svg, from, to, read, op) {
  const off = read.share <= 100;
  const bulge = Math.min(LEFT - 8, 16 + 0.33 * Math.abs(to - from));
  const x = LEFT - bulge;
  const path = `M${LEFT},${from} C${x},${from} ${x},${to} ${LEFT - 6},${to}`;
  const kind = 'arc' + (off ? ' off' : '') + (read.coloured ? ' colour' : '');
  const style = `${colour(op)};stroke-width:${1 + 2.5 * read.share / 1000};` +
    `opacity:${off ? 0.8 : 0.25 + 0.75 * read.share / 1000}`;
  const arc = make('path', {class: kind, d: path, style}, svg);
  make('title', {}, arc, `${label(read.node)}: ${share(read.share)}`);
  if (off) return;
  make('path', {class: kind, d: `M${LEFT - 7},${to - 3.5} L${LEFT - 1},${to} L${LEFT - 7},${to + 3.5}`, style}, svg);
}

function drawCell(cell) {
  const figure = make('figure');
  make('figcaption', {}, figure, cell.name);
  let y = 4;
  const middle = {};
  for (let i = 0; i < cell.inputs; i++) {
    middle[i] = y + 13;
    y += 26 + GAP;
  }
  const tops = cell.nodes.map(([node, lines]) => {
    const top = y, height = Math.max(1, lines.length) * LINE;
    middle[node] = top + height - 9;
    y += height + GAP;
    return [node, lines, top, height];
  });
  const words = cell.nodes.map(([node, lines]) =>
    `node ${node + 1}: ${lines.filter((l) => !l.off).map((l) => l.op).join(' and ')}`);
  const svg = make('svg', {viewBox: `0 0 ${WIDTH} ${y}`, role: 'img',
    'aria-label': `${cell.name}, ${cell.inputs} inputs; ${words.join('; ')}`}, figure);
  const arcs = [];
  for (let i = 0; i < cell.inputs; i++) {
    make('rect', {class: 'box', x: LEFT, y: middle[i] - 13, width: NAME, height: 26, rx: 4}, svg);
    make('text', {x: LEFT + NAME / 2, y: middle[i] + 5, 'text-anchor': 'middle'}, svg, label(i));
    make('text', {class: 'soft', x: LEFT + NAME + 8, y: middle[i] + 4}, svg, 'input');
  }
  for (const [node, lines, top, height] of tops) {
    make('rect', {class: 'box', x: LEFT, y: top, width: WIDTH - LEFT - 2, height, rx: 4}, svg);
    make('text', {x: LEFT + NAME / 2, y: top + height / 2 + 5, 'text-anchor': 'middle'}, svg, label(node));
    lines.forEach((line, i) => {
      drawLine(svg, line, top + i * LINE);
      for (const [k, read] of line.reads.entries()) {
        const spread = (k - (line.reads.length - 1) / 2) * Math.min(4, 16 / line.reads.length);
        arcs.push([middle[read.node], top + i * LINE + LINE / 2 - 4 + spread, read, line.op]);
      }
    });
  }
  arcs.sort((a, b) => a[2].share - b[2].share).forEach((arc) => drawArc(svg, ...arc));
  return figure;
}

// -- the curves ------------------------------------------------------------------------------------

function ticks(low, high) {
  const raw = (high - low) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((s) => s * power >= raw) * power;
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  return found;
}

const short = (value) => (value === null || value === undefined ? '–' : String(Number(value.toPrecision(4))));
const charts = [];

function addChart(name, curves) {
  const box = make('div', {class: 'chart'}, byId('charts'));
  name = name[0].toUpperCase() + name.slice(1);
  make('h3', {}, box, name);
  const holder = make('div', {}, box);
  const legend = make('ul', {class: 'legend'}, box);
  const values = curves.map((curve) => {
    const item = make('li', {style: '--c:' + curve.colour}, legend);
    make('i', {}, item);
    item.append(curve.name + ' ');
    return make('b', {}, item);
  });
  const chart = {name, curves, holder, values};
  charts.push(chart);
  drawChart(chart);
}

function drawChart(chart) {
  const width = Math.max(260, chart.holder.clientWidth), height = 240;
  const all = chart.curves.flatMap((curve) => curve.values).filter((value) => value !== null);
  let low = Math.min(...all), high = Math.max(...all);
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const x = (i) => 52 + (last ? i / last : 0.5) * (width - 64);
  const y = (value) => 10 + (high - value) / (high - low) * (height - 44);
  const svg = make('svg', {width, height, role: 'img',
    'aria-label': `${chart.name} over ${data.epochs.length} epochs; the table below has the numbers`});
  for (const tick of ticks(low, high)) {
    make('line', {class: 'grid', x1: 52, x2: width - 12, y1: y(tick), y2: y(tick)}, svg);
    make('text', {class: 'soft', x: 46, y: y(tick) + 4, 'text-anchor': 'end'}, svg, short(tick));
  }
  for (const epoch of last ? ticks(data.epochs[0], data.epochs[last]) : data.epochs) {
    const i = data.epochs.indexOf(epoch);
    if (i < 0) continue;
    make('text', {class: 'soft', x: x(i), y: height - 14, 'text-anchor': 'middle'}, svg, epoch);
  }
  make('text', {class: 'soft', x: width - 12, y: height, 'text-anchor': 'end'}, svg, 'epoch');
  for (const curve of chart.curves) {
    const points = curve.values.map((v, i) => [i, v]).filter(([, v]) => v !== null);
    const style = '--c:' + curve.colour;
    make('polyline', {class: 'curve', style, points: points.map(([i, v]) => x(i) + ',' + y(v)).join(' ')}, svg);
    if (points.length > 40) continue;
    for (const [i, v] of points) make('circle', {class: 'dot', style, cx: x(i), cy: y(v), r: 2.5}, svg);
  }
  chart.now = make('line', {class: 'now', y1: 6, y2: height - 32}, svg);
  chart.x = x;
  const at = (event) => {
    const place = event.clientX - svg.getBoundingClientRect().left;
    return Math.max(0, Math.min(last, Math.round((place - 52) / (width - 64) * last)));
  };
  svg.addEventListener('pointermove', (event) => readCharts(at(event)));
  svg.addEventListener('pointerleave', () => readCharts(Math.min(last, shown)));
  svg.addEventListener('click', (event) => show(at(event)));
  chart.holder.replaceChildren(svg);
}

function readCharts(i) {
  for (const chart of charts) {
    chart.now.setAttribute('x1', chart.x(i));
    chart.now.setAttribute('x2', chart.x(i));
    chart.curves.forEach((curve, k) => { chart.values[k].textContent = short(curve.values[i]); });
    chart.holder.previousSibling.textContent = `${chart.name}, epoch ${data.epochs[i]}`;
  }
}

// -- the strips ------------------------------------------------------------------------------------

function drawStrip(svg) {
  const choice = data.choices[svg.dataset.choice];
  const lines = choice.gates ? choice.options.length : 1;
  svg.setAttribute('viewBox', `0 0 ${last + 1} ${lines}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  for (let k = 0; k < lines; k++) {
    const cell = (epoch) => {
      const row = choice.rows[epoch];
      const i = choice.gates ? k : choice.best[epoch];
      const level = Math.round((row[i] || 0) / 50);
      return [level, choice.gates ? '' : choice.options[i]];
    };
    for (let start = 0, end = 0; start <= last; start = end) {
      const [level, op] = cell(start);
      for (end = start + 1; end <= last && String(cell(end)) === String([level, op]);) end++;
      if (!level) continue;
      // a share of some per cent must be seen, too
      const style = `opacity:${op ? 0.3 + 0.035 * level : level / 20};${op ? colour(op) : ''}`;
      const rect = make('rect', {x: start, y: k + 0.05, width: end - start, height: 0.9, style}, svg);
      const words = choice.gates ? label(Number(choice.options[k])) : op;
      make('title', {}, rect, `epochs ${data.epochs[start]} to ${data.epochs[end - 1]}: ${words}, share ` +
        share(choice.rows[start][choice.gates ? k : choice.best[start]]));
    }
  }
  const since = data.epochs.indexOf(choice.since);
  if (since > 0) {
    make('line', {x1: since, x2: since, y1: 0, y2: lines, class: 'now', 'vector-effect': 'non-scaling-stroke',
      style: 'stroke-width:2.5'}, svg);
  }
}

// -- one step is shown at a time -------------------------------------------------------------------

let shown = -1;

function show(step) {
  shown = Math.max(0, Math.min(steps - 1, step));
  byId('cells').replaceChildren(...cellsAt(shown).map(drawCell));
  const words = shown > last ? 'result' : `${data.epochs[shown]} of ${data.epochs[last]}`;
  byId('shown').textContent = words;
  byId('epoch').value = shown;
  byId('epoch').setAttribute('aria-valuetext', shown > last ? words : `epoch ${words}`);
  byId('hint').textContent = shown > last
    ? 'The architecture that the search has found.' +
      (steps > 1 ? ' Move the slider to see how it came about.' : '')
    : 'Each line names the strongest operation and its share; the bar below shows the shares of all. An arc is a ' +
      'connection, the stronger the wider. Grey is off or pruned.';
  if (last >= 0 && charts.length) readCharts(Math.min(last, shown));
}

let timer = 0;
function play(on) {
  clearInterval(timer);
  byId('play').textContent = on ? 'Stop' : 'Play';
  byId('play').setAttribute('aria-pressed', String(on));
  timer = on ? setInterval(() => (shown >= steps - 1 ? play(false) : show(shown + 1)), 250) : 0;
}

function start() {
  for (const op of Object.keys(data.ops)) {
    const item = make('li', {style: colour(op)}, byId('ops'));
    make('i', {}, item);
    item.append(op);
  }
  for (const [name, curves] of Object.entries(data.curves)) if (curves.length) addChart(name, curves);
  document.querySelectorAll('.strip').forEach(drawStrip);
  if (!steps) {
    byId('control').hidden = true;
    byId('hint').textContent = 'Nothing is recorded: the search has had no epoch.';
    return;
  }
  byId('epoch').max = steps - 1;
  byId('control').hidden = steps < 2;
  byId('epoch').addEventListener('input', () => { play(false); show(Number(byId('epoch').value)); });
  byId('play').addEventListener('click', () => {
    if (!timer && shown >= steps - 1) show(0);
    play(!timer);
  });
  show(steps - 1);
  let width = innerWidth;
  addEventListener('resize', () => {
    if (width === innerWidth) return;
    width = innerWidth;
    charts.forEach(drawChart);
    if (charts.length) readCharts(Math.min(last, shown));
  });
}

// -- commands and settings -------------------------------------------------------------------------

function fillPlaces() {
  if (location.protocol !== 'file:') return;
  const folder = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, '') || '/';
  // in single quotes where the shell would read more than a name
  const quoted = /^[\w@%+=:,./-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`;
  document.querySelectorAll('.place').forEach((place) => { place.textContent = quoted; });
}

async function copy(text, button, block) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(block);
    document.execCommand('copy');
  }
  button.textContent = 'Copied';
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}

for (const block of document.querySelectorAll('.step')) {
  const button = make('button', {type: 'button', class: 'copy',
    'aria-label': 'Copy the command: ' + block.querySelector('h3').textContent}, block, 'Copy');
  const code = block.querySelector('code');
  button.addEventListener('click', () => copy(code.textContent, button, code));
}

byId('find').addEventListener('input', () => {
  const word = byId('find').value.toLowerCase();
  const rows = [...document.querySelectorAll('#all tbody tr')];
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(word);
  byId('hits').textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
});

fillPlaces();
start();
