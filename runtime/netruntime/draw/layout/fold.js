// Folds and unfolds groups: lays the drawing out again, as the Python beside it does; a test compares both.
(() => {
  const model = MODEL;
  const svg = document.currentScript.ownerSVGElement || document.currentScript.closest("svg");
  const items = model.items, down = model.down;
  const PAD = 14, HEADER = 26, STACK = 8, GAP = 22, LANE_GAP = 14, CHANNEL = 26, TRACK = 8, EDGE = 16, BACK = 10, ROUNDS = 40, STILL = 0.05;
  const IN = 2, OUT = 3;
  const element = [], fixed = n => Math.round(n * 10) / 10;
  for (const e of svg.querySelectorAll("[data-i]")) element[+e.dataset.i] = e;

  const isOpen = i => items[i].slots && !items[i].f;
  const stack = i => items[i].m ? STACK : 0;
  const frame = (i, placed) => {
    const [w, h] = items[i].s;
    return placed[i] || (down ? { w, h } : { w: h, h: w });
  };

  function place(root) {
    const placed = {};
    const visit = i => {
      for (const c of items[i].c) if (isOpen(c)) visit(c);
      placed[i] = arrange(items[i], placed, i === root);
    };
    visit(root);
    return placed;
  }

  function arrange(level, placed, isRoot) {
    const { slots, layers, wires, chains, backs } = level;
    const width = s => slots[s][1] < 0 ? 2 : frame(slots[s][1], placed).w + stack(slots[s][1]);
    const height = s => slots[s][1] < 0 ? 0 : frame(slots[s][1], placed).h + stack(slots[s][1]);
    const port = (s, v, side, ends) => {
      const [, i] = slots[s], values = slots[s][side];
      if (i < 0 || !values.length) return 0;
      const at = values.indexOf(v);
      if (placed[i]) return placed[i][ends][at] - width(s) / 2;
      const w = width(s) - stack(i);
      return w * (at + 1) / (values.length + 1) - w / 2 - stack(i) / 2;
    };
    const entry = (s, v) => port(s, v, 2, "entries"), exit = (s, v) => port(s, v, 3, "exits");
    const header = isRoot ? 0 : level.s[2];

    // across
    const home = [], pair = new Map();
    for (const w of wires) if (!w[3]) pair.set(w[1] + "," + w[2], w[0]);
    chains.forEach((chain, n) => {
      let offset = 0;
      home[chain[0]] = [n, 0];
      for (let k = 1; k < chain.length; k++) {
        const v = pair.get(chain[k - 1] + "," + chain[k]);
        offset += exit(chain[k - 1], v) - entry(chain[k], v);
        home[chain[k]] = [n, offset];
      }
    });
    const lefts = chains.map(() => []), rights = chains.map(() => []), pulls = chains.map(() => []);
    for (const layer of layers) for (let k = 1; k < layer.length; k++) {
      const a = layer[k - 1], b = layer[k], [l, before] = home[a], [r, behind] = home[b];
      const gap = slots[a][1] >= 0 && slots[b][1] >= 0 ? GAP : LANE_GAP;
      const least = before + (width(a) + width(b)) / 2 + gap - behind;
      rights[l].push([r, least]);
      lefts[r].push([l, least]);
    }
    const missing = lefts.map(l => l.length), order = [], ready = [];
    missing.forEach((n, k) => n || ready.push(k));
    while (ready.length) {
      const n = ready.pop();
      order.push(n);
      for (const [m] of rights[n]) if (!--missing[m]) ready.push(m);
    }
    const at = chains.map(() => 0);
    for (const n of order) at[n] = lefts[n].length ? Math.max(...lefts[n].map(([m, d]) => at[m] + d)) : 0;
    for (const [v, u, l, side] of wires) {
      const [a, above] = home[u], [b, below] = home[l];
      if (a === b || side) continue;
      const shift = above + exit(u, v) - below - entry(l, v);
      pulls[b].push([a, shift]);
      pulls[a].push([b, -shift]);
    }
    for (let turn = 0, moved = Infinity; turn < ROUNDS && moved >= STILL; turn++) {
      moved = 0;
      for (const n of turn % 2 ? order : [...order].reverse()) {
        if (!pulls[n].length) continue;
        const wanted = pulls[n].reduce((sum, [m, d]) => sum + at[m] + d, 0) / pulls[n].length;
        const low = lefts[n].length ? Math.max(...lefts[n].map(([m, d]) => at[m] + d)) : -Infinity;
        const high = rights[n].length ? Math.min(...rights[n].map(([m, d]) => at[m] - d)) : Infinity;
        const settled = Math.max(low, Math.min(high, wanted));
        moved = Math.max(moved, Math.abs(settled - at[n]));
        at[n] = settled;
      }
    }
    let left = Infinity, right = -Infinity;
    const x = slots.map((_, s) => at[home[s][0]] + home[s][1]);
    x.forEach((c, s) => { left = Math.min(left, c - width(s) / 2); right = Math.max(right, c + width(s) / 2); });
    const start = PAD + (!down && header ? HEADER : 0);
    const w = Math.max(right - left + start + PAD, down ? header : 0);
    const shift = start + (w - start - PAD - (right - left)) / 2 - left;
    x.forEach((c, s) => { x[s] = c + shift; });

    // along
    const begin = (s, v) => x[s] + exit(s, v), end = (s, v) => x[s] + entry(s, v);
    const between = layers.map(() => []), y = [], tracks = [];
    for (const wire of wires) if (!wire[3]) between[slots[wire[1]][4]].push(wire);
    const channel = (number, top) => {
      const ends = new Map(), right = [], left = [], taken = [], lanes = new Map();
      for (const [v, u, l] of between[number]) {
        if (!ends.has(v)) ends.set(v, [begin(u, v)]);
        ends.get(v).push(end(l, v));
      }
      for (const [v, points] of ends) {
        const low = Math.min(...points), high = Math.max(...points);
        if (high - low < 0.5) continue;
        (high - points[0] >= points[0] - low ? right : left).push([points[0], v, low, high]);
      }
      right.sort((a, b) => b[0] - a[0]);
      left.sort((a, b) => a[0] - b[0]);
      let count = 0;
      for (const [, v, low, high] of [...right, ...left]) {
        let track = 0;
        for (const [a, b, t] of taken) if (a < high + 4 && low < b + 4) track = Math.max(track, t + 1);
        taken.push([low, high, track]);
        lanes.set(v, track);
        count = Math.max(count, track);
      }
      const border = [...layers[number], ...layers[number + 1]].some(s => slots[s][0] === IN || slots[s][0] === OUT);
      const tall = (border && !taken.length ? EDGE : CHANNEL) + count * TRACK;
      const first = top + (tall - count * TRACK) / 2 - 2;
      tracks[number] = new Map([...lanes].map(([v, t]) => [v, first + t * TRACK]));
      return top + tall;
    };
    let h = down ? (header ? HEADER : PAD) : (header ? 0 : PAD);
    if (!layers[0].some(s => slots[s][0] === IN)) h += header ? PAD : 0;
    layers.forEach((layer, number) => {
      const tall = Math.max(0, ...layer.map(height));
      for (const s of layer) {
        const [, i, entries, exits] = slots[s];
        y[s] = h + (i < 0 || entries.length ? tall / 2 : exits.length ? tall - height(s) / 2 : height(s) / 2);
      }
      h += tall;
      if (number + 1 < layers.length) h = channel(number, h);
    });
    if (!layers[layers.length - 1].some(s => slots[s][0] === OUT)) h += PAD;
    if (!down && header) h = Math.max(h, header);

    // results
    const boxes = {};
    slots.forEach(([, i], s) => {
      if (i < 0) return;
      const size = frame(i, placed);
      boxes[i] = { x: x[s] - width(s) / 2, y: y[s] - height(s) / 2, w: size.w, h: size.h };
    });
    const lines = level.routes.map(route => {
      const way = route.map(n => wires[n]), [v, u] = way[0], last = way[way.length - 1], box = boxes[slots[u][1]];
      const points = [[begin(u, v), box ? box.y + box.h : y[u]]];
      for (const [, a, b, side] of way) {
        if (side) break;
        const here = begin(a, v), there = end(b, v);
        if (Math.abs(there - here) < 0.5) continue;
        const t = tracks[slots[a][4]].get(v);
        points.push([here, t], [there, t]);
      }
      const [, a, b, side] = last, target = boxes[slots[b][1]];
      if (side) {
        const middle = target.y + target.h / 2;
        points.push([x[a], middle], [target.x + (x[a] > x[b] ? target.w : 0), middle]);
      } else points.push([end(b, v), target ? target.y : h]);
      return points;
    });
    backs.forEach(([u, l], n) => {
      const source = boxes[slots[u][1]], target = boxes[slots[l][1]], shift = 3 * (n % 2);
      const x0 = source.x + source.w * 0.8, middle = target.x + target.w / 2, lane = w - PAD + 8 + BACK * n;
      const below = Math.max(...layers[slots[u][4]].map(s => y[s] + height(s) / 2)) + 5 + shift;
      const above = Math.min(...layers[slots[l][4]].map(s => y[s] - height(s) / 2)) - 9 - shift;
      lines.push([[x0, source.y + source.h], [x0, below], [lane, below], [lane, above], [middle, above], [middle, target.y]]);
    });
    const cross = (layer, kind) => layer.filter(s => slots[s][0] === kind).map(s => x[s]);
    return { w: w + BACK * backs.length, h, boxes, lines, entries: cross(layers[0], IN), exits: cross(layers[layers.length - 1], OUT) };
  }

  const turned = ([a, b]) => down ? [a, b] : [b, a];
  function path(points) {
    const p = points.map(turned).filter((q, n, all) => !n || q[0] !== all[n - 1][0] || q[1] !== all[n - 1][1]);
    const near = (c, o) => {
      const dx = o[0] - c[0], dy = o[1] - c[1], reach = Math.min(7, (Math.abs(dx) + Math.abs(dy)) / 2);
      const k = reach / (Math.abs(dx) + Math.abs(dy));
      return [fixed(c[0] + dx * k), fixed(c[1] + dy * k)].join(" ");
    };
    let d = "M" + p[0].map(fixed).join(" ");
    for (let n = 1; n + 1 < p.length; n++)
      d += "L" + near(p[n], p[n - 1]) + "Q" + p[n].map(fixed).join(" ") + " " + near(p[n], p[n + 1]);
    return d + "L" + p[p.length - 1].map(fixed).join(" ");
  }

  function resize(view, w, h) {
    for (const shape of view.children) {
      const kind = shape.classList;
      if (kind.contains("under") || kind.contains("card")) shape.setAttribute("height", h);
      if (kind.contains("under") || kind.contains("card") || kind.contains("bar")) shape.setAttribute("width", w);
      if (kind.contains("end")) shape.setAttribute("x", w - 12);
    }
  }

  function draw() {
    const placed = place(0);
    for (const key in placed) {
      const { boxes, lines } = placed[key], views = element[key].querySelectorAll(":scope > .opened");
      const wires = views[views.length - 1].querySelectorAll(":scope > .wire");
      lines.forEach((points, n) => wires[n].setAttribute("d", path(points)));
      for (const i in boxes)
        element[i].setAttribute("transform", `translate(${turned([boxes[i].x, boxes[i].y]).map(fixed).join(" ")})`);
      if (+key) resize(views[0], ...turned([placed[key].w, placed[key].h]).map(fixed));
    }
    const [w, h] = turned([placed[0].w, placed[0].h]), [x, y] = element[0].getAttribute("transform").match(/[\d.]+/g);
    const size = [Math.max(w + 2 * x, model.least), h + +y + +x];
    if (svg.hasAttribute("width")) {
      svg.setAttribute("width", fixed(size[0]));
      svg.setAttribute("height", fixed(size[1]));
      svg.setAttribute("viewBox", `0 0 ${size.map(fixed).join(" ")}`);
    }
    if (svg.onLayout) svg.onLayout();
  }

  const toggle = event => {
    const part = event.target.closest(".fold,.fold~*"), group = part && part.closest("[data-i]");
    if (!group) return false;
    const item = items[+group.dataset.i];
    item.f = item.f ? 0 : 1;
    group.setAttribute("class", item.f ? "shut" : "open");
    draw();
    return group.querySelector(item.f ? ":scope > .closed > .fold" : ":scope > .opened > .fold");
  };
  svg.addEventListener("click", toggle);
  svg.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    const button = toggle(event);
    if (button) { event.preventDefault(); button.focus(); }
  });
  svg.layOut = () => place(0);
  svg.reveal = i => {
    for (let e = element[i].parentNode.closest("[data-i]"); e; e = e.parentNode.closest("[data-i]"))
      if (items[+e.dataset.i].f) { items[+e.dataset.i].f = 0; e.setAttribute("class", "open"); }
    draw();
  };
  svg.foldAll = depth => {
    const visit = (i, level) => {
      for (const c of items[i].c || []) if (items[c].slots) {
        items[c].f = level >= depth ? 1 : 0;
        element[c].setAttribute("class", items[c].f ? "shut" : "open");
        visit(c, level + 1);
      }
    };
    visit(0, 1);
    draw();
  };
})();
