// The view of live segments: a map on which customers move, how many are in each segment, and who moved last.

const FULL = 30000; // the edge of the map in the numbers of Python
const EDGE = 1.12; // with a margin around everyone
const NOWHERE = -1;
const GREY = "#8c8c8c";
const GLIDE = 900; // milliseconds that a customer takes from place to place
const GLOW = 5000; // milliseconds that a ring stays around who moved
const MOST_GLOWING = 60;
const SPOKEN = 10000; // milliseconds between two sentences for screen readers

function shown(value) {
  if (value === null) return "–";
  return typeof value === "number" ? Number(value.toPrecision(4)).toLocaleString("en") : String(value);
}

// Three numbers a customer: x, y, and the position of the segment; NOWHERE for a point that nobody has.
function pointsOf(state) {
  const bytes = Uint8Array.from(atob(state.points), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

function drawer(canvas) {
  let state, points, before, started = 0, frame = 0, shape;
  let glowing = []; // who moved: { at, from, to, x, y, born }, x and y where the customer was
  let marked = NOWHERE, only = null;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const color = (segment) => (segment === NOWHERE ? GREY : state.segments[segment].color);

  const draw = (now) => {
    frame = 0;
    const size = canvas.clientWidth;
    if (!size || !points) return;
    const scale = window.devicePixelRatio || 1, high = Math.round(size * shape);
    canvas.style.height = `${high}px`;
    if (canvas.width !== Math.round(size * scale)) canvas.width = Math.round(size * scale);
    if (canvas.height !== Math.round(high * scale)) canvas.height = Math.round(high * scale);
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, size, high);
    const share = still ? 1 : Math.min(1, (now - started) / GLIDE);
    const eased = 1 - (1 - share) ** 3;
    const x = (value) => ((value / FULL / EDGE + 1) / 2) * size;
    const y = (value) => Math.min(Math.max(high / 2 - ((value / FULL / EDGE) * size) / 2, 9), high - 9);
    const place = (i) => {
      const was = before && before[3 * i + 2] !== NOWHERE ? before : points;
      return [0, 1].map((j) => was[3 * i + j] + (points[3 * i + j] - was[3 * i + j]) * eased);
    };
    const dark = document.body.dataset.jpThemeLight === "false";
    const drawn = points.length / 3, radius = drawn < 3000 ? 3.2 : drawn < 5000 ? 2.4 : 1.9;
    const circle = (px, py, r) => {
      pen.moveTo(px + r, py);
      pen.arc(px, py, r, 0, 2 * Math.PI);
    };
    state.segments.forEach((segment, at) => {
      pen.beginPath();
      for (let i = 0; i < drawn; i += 1) {
        if (points[3 * i + 2] !== at) continue;
        const [px, py] = place(i);
        circle(x(px), y(py), radius);
      }
      pen.globalAlpha = only !== null && only !== at ? 0.1 : segment.rare ? 0.4 : dark ? 0.85 : 0.62;
      pen.fillStyle = segment.color;
      pen.fill();
    });
    // A black ring around a white one: one of them shows on a light page, the other on a dark one.
    const ring = (px, py, inner, width, fill, alpha) => {
      pen.globalAlpha = alpha;
      for (const [ink, reach] of [["#000", inner + 2 * width], ["#fff", inner + width], [fill, inner]]) {
        pen.fillStyle = ink;
        pen.beginPath();
        circle(px, py, reach);
        pen.fill();
      }
    };
    if (!still) glowing = glowing.filter((move) => now - move.born < GLOW);
    for (const move of glowing) {
      if (only !== null && move.from !== only && move.to !== only) continue;
      const [px, py] = place(move.at).map((value, j) => (j ? y(value) : x(value)));
      const left = still ? 0.9 : 1 - (now - move.born) / GLOW;
      const far = Math.hypot(px - x(move.x), py - y(move.y));
      if (move.from !== NOWHERE && far > 2) {
        const ink = pen.createLinearGradient(x(move.x), y(move.y), px, py);
        ink.addColorStop(0, `${color(move.from)}00`);
        ink.addColorStop(1, color(move.to));
        pen.globalAlpha = 0.9 * left;
        pen.strokeStyle = ink;
        pen.lineWidth = 2.4;
        pen.beginPath();
        pen.moveTo(x(move.x), y(move.y));
        pen.lineTo(px, py);
        pen.stroke();
      }
      ring(px, py, radius + 1.4, 1, color(move.to), Math.min(1, 1.6 * left));
    }
    if (marked !== NOWHERE && marked < drawn && points[3 * marked + 2] !== NOWHERE) {
      const [px, py] = place(marked);
      ring(x(px), y(py), radius + 3.5, 2, color(points[3 * marked + 2]), 1);
    }
    pen.globalAlpha = 1;
    if (share < 1 || (!still && glowing.length)) again();
  };
  const again = () => {
    if (!frame) frame = requestAnimationFrame(draw);
  };
  return {
    again,
    show(next, fresh) {
      const came = pointsOf(next), now = performance.now();
      if (!shape) {
        let reach = 0.25;
        for (let i = 0; i < came.length; i += 3) if (came[i + 2] !== NOWHERE) reach = Math.max(reach, Math.abs(came[i + 1]) / FULL);
        shape = Math.min(1, (reach + 0.06) / EDGE);
      }
      const visible = fresh.filter((move) => move.at !== NOWHERE).slice(0, MOST_GLOWING);
      const old = points && points.length === came.length ? points : came;
      const born = visible.map((move) => ({ ...move, x: old[3 * move.at], y: old[3 * move.at + 1], born: now }));
      glowing = [...born.reverse(), ...(still ? [] : glowing)].slice(0, MOST_GLOWING);
      [state, before, points, started] = [next, points && old, came, now];
      again();
    },
    mark(at) {
      marked = at;
      again();
    },
    only(segment) {
      only = segment;
      again();
    },
    end: () => cancelAnimationFrame(frame),
  };
}

function countsTable(press) {
  const body = element("tbody");
  const titles = ["Segment", "Customers", "Joined", "Left"].map((title) => element("th", { scope: "col" }, title));
  const table = element("table", { className: "counts" }, element("thead", {}, element("tr", {}, ...titles)), body);
  return {
    table,
    show(segments, only) {
      const focused = body.contains(document.activeElement) ? document.activeElement.dataset.at : null;
      const most = Math.max(1, ...segments.map((segment) => segment.size));
      body.replaceChildren(...segments.flatMap((segment, at) => {
        if (segment.rare && !segment.size && !segment.joined) return [];
        const button = element("button", { type: "button", className: "name" }, dot(segment.color), element("span", {}, segment.legend));
        button.dataset.at = at;
        button.setAttribute("aria-pressed", only === at);
        button.addEventListener("click", () => press(only === at ? null : at));
        const bar = element("i");
        bar.style.width = `${(100 * segment.size) / most}%`;
        bar.style.background = segment.color;
        const change = (sign, n) => element("td", { className: n ? "change" : "change none" }, n ? `${sign}${number(n)}` : "0");
        return [element("tr", {},
          element("th", { scope: "row" }, button, element("span", { className: "bar" }, ...(segment.size ? [bar] : []))),
          element("td", { className: "n" }, number(segment.size)), change("+", segment.joined), change("−", segment.left))];
      }));
      if (focused !== null) body.querySelector(`[data-at="${focused}"]`)?.focus({ preventScroll: true });
    },
  };
}

function movesList(press) {
  const body = element("tbody"), rows = new Map();
  const titles = ["Customer", "Moved", "Why", "When"].map((title) => element("th", { scope: "col" }, title));
  const table = element("table", { className: "list" }, element("thead", {}, element("tr", {}, ...titles)), body);
  const box = element("div", { className: "rows", tabIndex: 0 }, table);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Latest moves");
  const end = (state, at, before = "") =>
    element("span", { className: "end" }, before, dot(at === NOWHERE ? GREY : state.segments[at].color),
      element("span", {}, at === NOWHERE ? "New customer" : state.segments[at].name));
  const row = (state, move) => {
    const button = element("button", { type: "button", className: "customer" }, move.customer);
    button.addEventListener("click", () => press(move.customer));
    const why = element("td", { className: "why" }, element("span", { className: move.why === "time alone" ? "tag time" : "tag" }, move.why.replaceAll("_", " ")));
    if (move.late) why.append(" ", element("span", { className: "tag", title: "The event arrived late and corrects the segment." }, "late"));
    const made = element("tr", {}, element("td", { className: "who" }, button),
      element("td", { className: "way" }, end(state, move.from), end(state, move.to, "→ ")), why, element("td", { className: "when" }, move.when));
    made.dataset.ends = `${move.from} ${move.to}`;
    return made;
  };
  return {
    box,
    // Rows stay as they are, so that neither the place of the scrollbar nor the focus is lost.
    show(state, only, chosen) {
      const listed = new Set(state.moves.map((move) => move.n));
      for (const [n, old] of rows) if (!listed.has(n)) { old.remove(); rows.delete(n); }
      for (const move of [...state.moves].reverse()) {
        if (rows.has(move.n)) continue;
        rows.set(move.n, row(state, move));
        body.prepend(rows.get(move.n));
      }
      for (const made of rows.values()) {
        made.hidden = only !== null && !made.dataset.ends.split(" ").includes(String(only));
        const button = made.querySelector("button");
        button.setAttribute("aria-pressed", button.textContent === chosen);
      }
      const any = [...rows.values()].some((made) => !made.hidden);
      box.hidden = !any;
      return any;
    },
  };
}

function customerCard(close) {
  const card = element("section", { className: "card", hidden: true });
  card.setAttribute("aria-label", "Chosen customer");
  return {
    card,
    show(said, { segments, titles }, chosen) {
      card.hidden = !chosen || said.customer_id !== chosen;
      if (card.hidden) return card.replaceChildren();
      const segment = segments.find((one) => one.name === said.segment || one.legend.startsWith(`${said.segment}:`));
      const shut = element("button", { type: "button", className: "shut" }, "✕");
      shut.setAttribute("aria-label", `Close ${chosen}`);
      shut.addEventListener("click", close);
      const sure = said.confidence === null ? "" : said.confidence > 0.995 ? ", over 99% sure" : `, ${Math.round(100 * said.confidence)}% sure`;
      const list = element("ul");
      for (const [name, value] of Object.entries(said.features)) {
        list.append(element("li", {}, element("span", { className: "what" }, titles[name] || name), " ", element("span", {}, shown(value))));
      }
      card.replaceChildren(element("h4", {}, said.customer_id), shut,
        element("p", { className: "segment" }, dot(segment ? segment.color : GREY), `${segment ? segment.name : said.segment || "In no segment"}${sure}`),
        ...(said.corrected ? [element("p", { className: "hint" }, `Corrected by ${said.corrected.who}: ${said.corrected.why}`)] : []), list);
    },
  };
}

function render({ model, el }) {
  let state = model.get("state"), seen = 0, only = null, spoken = -SPOKEN;
  const pause = element("button", { type: "button", className: "play" });
  const status = element("span", { className: "status" }), when = element("output", { className: "date" });
  const sentence = element("p", { className: "hint" });
  const heard = element("p", { className: "heard" }); // for screen readers, and not too often
  heard.setAttribute("role", "status");
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  const note = element("p", { className: "hint" });
  const empty = element("p", { className: "hint" }), badge = element("span", { className: "badge" });
  const kind = element("p", { className: "hint" });
  const error = element("div", { className: "error" });
  error.setAttribute("role", "alert");

  const send = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const map = drawer(canvas);
  const counts = countsTable((at) => {
    only = at;
    map.only(at);
    drawWords();
  });
  const moves = movesList((customer) => send("chosen", model.get("chosen") === customer ? "" : customer));
  const card = customerCard(() => send("chosen", ""));

  const drawWords = () => {
    const paused = model.get("paused"), chosen = model.get("chosen");
    pause.textContent = paused ? "▶" : "❚❚";
    pause.setAttribute("aria-label", paused ? "Resume" : "Pause");
    const problem = model.get("error") || state.error;
    root.classList.toggle("paused", paused || problem !== "");
    status.textContent = paused ? "Paused" : problem ? "Not current" : "Live";
    when.textContent = state.now;
    sentence.textContent = state.said;
    note.textContent = state.note;
    badge.textContent = state.badge;
    kind.textContent = state.kind;
    error.textContent = problem;
    canvas.setAttribute("aria-label", `Map of customers by segment, ${state.now}. The tables say the same in numbers.`);
    counts.show(state.segments, only);
    const any = moves.show(state, only, chosen);
    empty.textContent = any ? "Press a customer to see her on the map, with her numbers."
      : only !== null ? `None of the latest moves is to or from ${state.segments[only].name}.`
        : "As soon as somebody changes segment, it is said here.";
    card.show(model.get("card"), state, chosen);
    map.mark(model.get("card").customer_id === chosen ? model.get("card").at : NOWHERE);
  };
  const drawAll = () => {
    if (model.get("paused")) return drawWords();
    state = model.get("state");
    const first = seen === 0;
    const fresh = state.moves.filter((move) => move.n > seen);
    seen = Math.max(seen, ...state.moves.map((move) => move.n), first ? 0 : seen);
    map.show(state, first ? [] : fresh);
    drawWords();
    if (fresh.length && performance.now() - spoken > SPOKEN) {
      spoken = performance.now();
      heard.textContent = state.said;
    }
  };

  pause.addEventListener("click", () => send("paused", !model.get("paused")));
  const root = element("div", { className: "segkit live" },
    element("div", { className: "top" }, pause, element("span", { className: "pulse" }), status, when),
    sentence, heard, error,
    element("div", { className: "sides" },
      element("div", { className: "map" }, canvas, note, card.card, badge, kind),
      element("div", { className: "numbers" },
        element("h4", {}, "Segments now"), counts.table,
        element("h4", {}, "Latest moves"), empty, moves.box)));
  el.append(root);

  const draws = { "change:state": drawAll, "change:paused": drawAll, "change:chosen": drawWords, "change:card": drawWords, "change:error": drawWords };
  for (const [event, draw] of Object.entries(draws)) model.on(event, draw);
  drawAll();
  const sized = new ResizeObserver(() => map.again());
  sized.observe(canvas);
  const letGo = keepKeys(root);
  return () => {
    map.end();
    sized.disconnect();
    letGo();
    for (const [event, draw] of Object.entries(draws)) model.off(event, draw);
  };
}

export default { render };
