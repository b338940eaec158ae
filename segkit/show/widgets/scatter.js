// A map of up to a million points on a plain canvas, without WebGL: it starts everywhere, and is never blank.
//
// Points are summed up in each pixel, in any order: the colour is the mean of those that lie there, and there is more
// ink where there are more. Groups lie in layers above each other: those who are not chosen fade below those who are.

const SIDE = 65535; // places are whole numbers from 0 to this
const MOST_FADED = 0.26; // ink of who is not chosen, where most of them lie
const NEAR = 9; // pixels around the pointer in which a point is found
const CELLS = 256; // of the grid in which points are found, in each direction
const FRAME = 30; // milliseconds in which a map is drawn while it moves; of more points, some are left out meanwhile
const CLICK = 4; // pixels that a hand trembles in a click
const DEEPEST = 200; // times that the map can be enlarged
const CHOOSES = "Draw around customers to choose them. Shift adds. Enter chooses everyone in view, Escape clears. ";
const KEYS = "Keys: arrows move, plus and minus zoom, 0 shows all.";

// The colours of two groups that are compared, the second one lighter on a dark page.
const groupColors = () => ["#E69F00", document.body.dataset.jpThemeLight === "false" ? "#56B4E9" : "#0072B2"];
const mixed = (color, other, share) => color.map((part, i) => part * (1 - share) + other[i] * share);
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// Where points lie in a grid: those of each cell stand together in `order`, from `starts[cell]` on.
function gridOf(x, y) {
  const starts = new Uint32Array(CELLS * CELLS + 1), order = new Uint32Array(x.length);
  const cell = (i) => ((y[i] * CELLS) >> 16) * CELLS + ((x[i] * CELLS) >> 16);
  for (let i = 0; i < x.length; i += 1) starts[cell(i) + 1] += 1;
  for (let c = 0; c < starts.length - 1; c += 1) starts[c + 1] += starts[c];
  const next = starts.slice();
  for (let i = 0; i < x.length; i += 1) order[next[cell(i)]++] = i;
  return { starts, order };
}

// A round stamp of a diameter in pixels: how much of each pixel around the middle it covers.
function stampOf(diameter, width) {
  const reach = Math.ceil(diameter / 2 - 0.5), offsets = [], weights = [];
  for (let dy = -reach; dy <= reach; dy += 1) {
    for (let dx = -reach; dx <= reach; dx += 1) {
      const cover = Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(dx, dy)));
      if (cover > 0.02) {
        offsets.push(4 * (dy * width + dx));
        weights.push(cover);
      }
    }
  }
  return { reach, offsets: Int32Array.from(offsets), weights: Float32Array.from(weights) };
}

// `heard`: select(flags, add) and clear(), or press(at) where customers cannot be chosen; hover(at or -1), view(), and
// over({ ink, place, ring, radius }), which draws above the points.
function makeScatter(heard) {
  const canvas = element("canvas", { className: "points", tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "map");
  const over = element("canvas", { className: "over" });
  over.setAttribute("aria-hidden", "true");
  const tip = element("div", { className: "tip", hidden: true });
  const root = element("div", { className: "scatter" }, canvas, over, tip);
  // In memory of their own: a canvas of the graphics card, emulated where there is none, sometimes keeps what was cleared.
  const [pen, ink] = [canvas, over].map((one) => one.getContext("2d", { willReadFrequently: true }));

  let x = new Uint16Array(0), y = x, codes = new Uint8Array(0), colors = [[140, 140, 140]];
  let flags = null, groups = [0, 0, 0], belief = null; // of each point: its group, 0 for none; how dense its ink is, 0 to 255
  let grid = null, tool = heard.select ? "lasso" : "move", marked = -1, hovered = -1;
  let zoom = 1, middle = [SIDE / 2, SIDE / 2], extent = [1, 1], bounds = null; // what of the map is shown at first; null: all points
  let frame = 0, later = 0, cost = 0, buffer = new Float32Array(0), image = null, moving = false;

  // From numbers of places to pixels of the canvas: one scale for both directions, so that distances stay what they are.
  const size = () => [canvas.clientWidth, canvas.clientHeight, window.devicePixelRatio || 1];
  const scale = () => {
    const [wide, high] = size();
    return Math.min((wide - 24) / extent[0], (high - 24) / extent[1]) * zoom;
  };
  const toX = (value) => (value - middle[0]) * scale() + size()[0] / 2;
  const toY = (value) => size()[1] / 2 - (value - middle[1]) * scale();
  const fromX = (px) => (px - size()[0] / 2) / scale() + middle[0];
  const fromY = (py) => middle[1] - (py - size()[1] / 2) / scale();

  // Points shrink and thin out with their number in view, so that they neither vanish nor cover each other.
  const look = () => {
    const crowd = Math.max(1, x.length / zoom ** 1.5);
    const diameter = Math.min(9, Math.max(1.5, 8.4 - 1.9 * Math.log10(crowd / 60)));
    return { diameter, ink: Math.min(2, Math.max(0.22, 2.2 - 0.5 * Math.log10(crowd / 100))) };
  };

  const addUp = (layer, stride, wide, high, stamp, ratio, unit, palette) => {
    const pad = stamp.reach, row = wide + 2 * pad, sum = buffer;
    sum.fill(0, 0, 4 * row * (high + 2 * pad));
    const k = scale() * ratio, left = wide / 2 - middle[0] * k + pad, top = high / 2 + middle[1] * k + pad;
    const right = row - pad, bottom = high + pad, { offsets, weights } = stamp, many = offsets.length;
    for (let i = 0; i < x.length; i += stride) {
      if (flags !== null && flags[i] !== layer) continue;
      const px = (x[i] * k + left) | 0, py = (top - y[i] * k) | 0;
      if (px < pad || py < pad || px >= right || py >= bottom) continue;
      const at = 4 * (py * row + px), c = 3 * codes[i], own = belief === null ? unit : unit * belief[i] / 255;
      const r = palette[c], g = palette[c + 1], b = palette[c + 2];
      for (let j = 0; j < many; j += 1) {
        const q = at + offsets[j], w = weights[j] * own;
        sum[q] += r * w;
        sum[q + 1] += g * w;
        sum[q + 2] += b * w;
        sum[q + 3] += w;
      }
    }
  };

  // Lay what was added up over the layers below it.
  const lay = (wide, high, pad, most, fresh) => {
    const out = image.data, row = wide + 2 * pad;
    for (let py = 0; py < high; py += 1) {
      let q = 4 * ((py + pad) * row + pad), p = 4 * py * wide;
      for (const end = p + 4 * wide; p < end; p += 4, q += 4) {
        const w = buffer[q + 3];
        if (w === 0) {
          if (fresh) out[p + 3] = 0;
          continue;
        }
        const a = most * (1 - Math.exp(-w)), below = fresh ? 0 : (out[p + 3] / 255) * (1 - a), all = a + below, mine = a / all / w, under = below / all;
        out[p] = buffer[q] * mine + out[p] * under;
        out[p + 1] = buffer[q + 1] * mine + out[p + 1] * under;
        out[p + 2] = buffer[q + 2] * mine + out[p + 2] * under;
        out[p + 3] = 255 * all;
      }
    }
  };

  const draw = (stride) => {
    frame = 0;
    const [cssWide, cssHigh, dense] = size();
    if (!cssWide || !cssHigh || !x.length) return;
    const began = performance.now();
    const wide = Math.round(cssWide * dense), high = Math.round(cssHigh * dense);
    if (canvas.width !== wide || canvas.height !== high || !image) {
      for (const one of [canvas, over]) [one.width, one.height] = [wide, high];
      image = pen.createImageData(wide, high);
    }
    const { diameter, ink: unit } = look(), reach = Math.ceil((diameter * dense) / 2);
    const need = 4 * (wide + 2 * reach) * (high + 2 * reach);
    if (buffer.length < need) buffer = new Float32Array(need);
    const pad = Math.ceil((diameter * dense) / 2 - 0.5), stamp = stampOf(diameter * dense, wide + 2 * pad);
    const own = new Float32Array(colors.flat());
    const layers = flags === null ? [0] : groups.map((n, i) => i).filter((i) => groups[i] || i === 0);
    layers.forEach((layer, at) => {
      const fades = layer === 0 && flags !== null;
      const palette = fades ? new Float32Array(colors.flatMap((color) => mixed(color, [140, 140, 140], 0.75)))
        : layer > 0 && groups[2] ? new Float32Array(colors.flatMap(() => rgb(groupColors()[layer - 1]))) : own;
      addUp(layer, stride, wide, high, stamp, dense, unit * stride ** 0.7, palette);
      lay(wide, high, pad, fades ? MOST_FADED : 0.97, at === 0);
    });
    pen.putImageData(image, 0, 0);
    drawOver();
    if (stride === 1) {
      cost = performance.now() - began;
      root.dataset.drawn = x.length;
      root.dataset.cost = Math.round(cost);
      heard.view?.();
    } else {
      clearTimeout(later);
      later = setTimeout(() => draw(1), 140);
    }
  };
  const again = (still = true) => {
    moving = !still;
    if (!frame) frame = requestAnimationFrame(() => draw(moving ? Math.max(1, Math.ceil(cost / FRAME)) : 1));
  };

  // What is above the points: who is looked at, and what is being drawn around.
  let path = null;
  const ring = (at, radius, width) => {
    const [px, py] = [toX(x[at]), toY(y[at])];
    for (const [color, more] of [["#000", 2 * width], ["#fff", width]]) {
      ink.beginPath();
      ink.arc(px, py, radius + more, 0, 2 * Math.PI);
      ink.strokeStyle = color;
      ink.lineWidth = width;
      ink.stroke();
    }
  };
  const drawOver = () => {
    const [wide, high, dense] = size();
    if (!ink || !wide) return;
    ink.setTransform(dense, 0, 0, dense, 0, 0);
    ink.clearRect(0, 0, wide, high);
    const radius = look().diameter / 2 + 1;
    heard.over?.({ ink, place: (px, py) => [toX(px), toY(py)], ring, radius });
    if (hovered >= 0) ring(hovered, radius, 1.3);
    if (marked >= 0) ring(marked, radius + 3, 2);
    if (path && path.length > 1) {
      ink.beginPath();
      outline(ink);
      ink.fillStyle = "rgba(86, 180, 233, 0.14)";
      ink.fill();
      ink.setLineDash([5, 4]);
      for (const [color, shift] of [["#000", 0], ["#fff", 4.5]]) {
        ink.lineDashOffset = shift;
        ink.strokeStyle = color;
        ink.lineWidth = 1.5;
        ink.stroke();
      }
      ink.setLineDash([]);
    }
  };
  const outline = (on) => {
    if (tool === "box") {
      const [from, to] = [path[0], path.at(-1)];
      on.rect(Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    } else {
      path.forEach(([px, py], i) => (i ? on.lineTo(px, py) : on.moveTo(px, py)));
      on.closePath();
    }
  };

  // Fill the outline in a picture of its own, and look each point up there: as fast for a long curve as for a short one.
  const within = () => {
    const [wide, high] = size(), mask = element("canvas", { width: wide, height: high });
    const on = mask.getContext("2d", { willReadFrequently: true });
    on.beginPath();
    outline(on);
    on.fill();
    const filled = on.getImageData(0, 0, wide, high).data, found = new Uint8Array(x.length);
    const k = scale(), left = wide / 2 - middle[0] * k, top = high / 2 + middle[1] * k;
    for (let i = 0; i < x.length; i += 1) {
      const px = Math.floor(x[i] * k + left), py = Math.floor(top - y[i] * k);
      if (px >= 0 && py >= 0 && px < wide && py < high && filled[4 * (py * wide + px) + 3] > 127) found[i] = 1;
    }
    return found;
  };
  const inView = () => {
    const [wide, high] = size();
    const [left, right, bottom, top] = [fromX(0), fromX(wide), fromY(high), fromY(0)];
    return x.map((value, i) => value >= left && value <= right && y[i] >= bottom && y[i] <= top);
  };
  const nearest = (px, py) => {
    if (!x.length) return -1;
    grid ??= gridOf(x, y);
    const reach = NEAR / scale(), [vx, vy] = [fromX(px), fromY(py)];
    const cell = (value) => Math.min(CELLS - 1, Math.max(0, (value * CELLS) >> 16));
    let best = -1, least = reach * reach;
    for (let row = cell(vy - reach); row <= cell(vy + reach); row += 1) {
      const first = grid.starts[row * CELLS + cell(vx - reach)], last = grid.starts[row * CELLS + cell(vx + reach) + 1];
      for (let j = first; j < last; j += 1) {
        const i = grid.order[j], far = (x[i] - vx) ** 2 + (y[i] - vy) ** 2;
        // Among equals the chosen one: a faded point lies below it.
        if (far < least || (far === least && best >= 0 && flags && flags[i] > flags[best])) [best, least] = [i, far];
      }
    }
    return best;
  };

  const zoomBy = (factor, px = size()[0] / 2, py = size()[1] / 2) => {
    const [vx, vy] = [fromX(px), fromY(py)];
    zoom = Math.min(DEEPEST, Math.max(0.5, zoom * factor));
    middle = [middle[0] + vx - fromX(px), middle[1] + vy - fromY(py)];
    again(false);
  };
  const panBy = (dx, dy) => {
    const k = scale();
    middle = [middle[0] - dx / k, middle[1] + dy / k].map((value) => Math.min(SIDE, Math.max(0, value)));
    again(false);
  };
  const reach = () => {
    const low = [SIDE, SIDE], high = [0, 0];
    for (let i = 0; i < x.length; i += 1) {
      if (x[i] < low[0]) low[0] = x[i];
      if (x[i] > high[0]) high[0] = x[i];
      if (y[i] < low[1]) low[1] = y[i];
      if (y[i] > high[1]) high[1] = y[i];
    }
    return [low, high];
  };
  const fit = () => {
    const [low, high] = bounds || reach();
    extent = [0, 1].map((j) => Math.max(high[j] - low[j], 1));
    middle = [0, 1].map((j) => (low[j] + high[j]) / 2);
    zoom = 1;
    again();
  };

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const fingers = new Map();
  let pans = false, spread = 0;
  const hoverOver = (i, px, py) => {
    if (i !== hovered) {
      hovered = i;
      drawOver();
      tip.hidden = i < 0;
      tip.style.left = `${Math.max(4, Math.min(px + 14, root.clientWidth - 246))}px`;
      tip.style.top = `${py + 130 > root.clientHeight ? Math.max(4, py - 116) : py + 18}px`;
      heard.hover?.(i);
    }
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    pans = tool === "move" || event.button === 1 || fingers.size > 1;
    path = fingers.size > 1 ? null : [at(event)];
    hoverOver(-1);
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event), was = fingers.get(event.pointerId);
    if (!was) return void (event.pointerType !== "touch" && hoverOver(nearest(...now), ...now));
    fingers.set(event.pointerId, now);
    if (fingers.size === 2) {
      const [one, two] = [...fingers.values()], apart = Math.hypot(one[0] - two[0], one[1] - two[1]);
      if (spread) zoomBy(apart / spread, (one[0] + two[0]) / 2, (one[1] + two[1]) / 2);
      spread = apart;
    } else if (pans) {
      panBy(now[0] - was[0], now[1] - was[1]);
      path?.push(now);
    } else if (path) {
      path.push(now);
      drawOver();
    }
  });
  const finish = (event, taken) => {
    fingers.delete(event.pointerId);
    spread = 0;
    const drawn = path;
    const far = drawn ? Math.max(...drawn.map(([px, py]) => Math.hypot(px - drawn[0][0], py - drawn[0][1]))) : 0;
    if (taken && drawn && far <= CLICK) {
      const found = nearest(...drawn[0]);
      if (found >= 0 && heard.press) heard.press(found);
      else if (found >= 0) {
        const one = new Uint8Array(x.length);
        one[found] = 1;
        heard.select(one, event.shiftKey);
      }
    } else if (taken && drawn && !pans && heard.select) heard.select(within(), event.shiftKey);
    path = null;
    drawOver();
  };
  canvas.addEventListener("pointerup", (event) => finish(event, true));
  canvas.addEventListener("pointercancel", (event) => finish(event, false));
  canvas.addEventListener("pointerleave", () => fingers.size || hoverOver(-1));
  // The wheel scrolls the page, until somebody has pressed into the map.
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...at(event));
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => tool === "move" && zoomBy(2, ...at(event)));
  const keys = {
    ArrowLeft: () => panBy(60, 0), ArrowRight: () => panBy(-60, 0), ArrowUp: () => panBy(0, 60), ArrowDown: () => panBy(0, -60),
    "+": () => zoomBy(1.4), "=": () => zoomBy(1.4), "-": () => zoomBy(1 / 1.4), 0: fit,
    ...(heard.select && {
      Enter: (event) => heard.select(inView(), event.shiftKey),
      Escape: () => {
        if (path) path = null;
        else heard.clear();
        drawOver();
      },
    }),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key](event);
  });

  if (tool === "move") canvas.style.cursor = "grab";
  const sized = new ResizeObserver(() => again());
  sized.observe(canvas);
  return {
    root, canvas, fit, zoomBy, again, inView, drawOver, works: Boolean(pen && ink),
    points(nextX, nextY, around = null) {
      [x, y, grid, bounds] = [nextX, nextY, null, around];
      fit();
      root.style.setProperty("--shape", Math.min(3.3, Math.max(1, extent[0] / extent[1])));
    },
    // Put points elsewhere, or others in their place; what is in view stays.
    move(nextX, nextY, still) {
      if (hovered >= nextX.length || marked >= nextX.length) hovered = marked = -1;
      [x, y, grid] = [nextX, nextY, null];
      again(still);
    },
    // A number for each point, and the colour of each number.
    paint(nextCodes, nextColors) {
      [codes, colors] = [nextCodes, nextColors.map(rgb)];
      again();
    },
    // The group of each point: 0, 1 or 2; null where nobody is chosen.
    choose(nextFlags) {
      flags = nextFlags;
      groups = [0, 0, 0];
      if (flags) for (let i = 0; i < flags.length; i += 1) groups[flags[i]] += 1;
      again();
    },
    believe(shares) {
      belief = shares;
      again();
    },
    mark(i) {
      const other = i !== marked;
      marked = i;
      if (i >= 0 && i < x.length && other) {
        const [wide, high] = size(), [px, py] = [toX(x[i]), toY(y[i])];
        if (px < 0 || py < 0 || px > wide || py > high) {
          middle = [x[i], y[i]];
          again();
        }
      }
      drawOver();
    },
    // What the map is of, for screen readers.
    say(what) {
      canvas.setAttribute("aria-label", `${what} ${heard.select ? CHOOSES : ""}${KEYS}`);
    },
    // What stands beside the pointer.
    tell: (...said) => tip.replaceChildren(...said),
    use(next) {
      tool = next;
      canvas.style.cursor = next === "move" ? "grab" : "crosshair";
    },
    end() {
      cancelAnimationFrame(frame);
      clearTimeout(later);
      sized.disconnect();
    },
  };
}

function zoomButtons(map) {
  return element("div", { className: "tools" }, toolButton("−", "Zoom out", () => map.zoomBy(1 / 1.5)),
    toolButton("+", "Zoom in", () => map.zoomBy(1.5)), toolButton("All", "Show everyone", map.fit));
}

// A map beside tables: what stands on the page, also where nothing can be drawn.
function drawn(map) {
  if (map.works) return [map.root, zoomButtons(map)];
  return [element("p", { className: "hint" }, "This page cannot draw a map. The tables say the same in numbers.")];
}
