// The view of live segments: a map on which customers move, how many are in each segment, and who moved last.

const FULL = 30000; // the edge of the map in the numbers of Python
const EDGE = 33000; // with a margin around everyone
const MIDDLE = 32768; // of the map, where Python says 0
const RARE = 110; // ink of who is in no segment, of 255
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

// The map of customers, who glide from place to place, with a ring for a while around who changed segment.
function movingMap(press) {
  let points, before, started = 0, frame = 0, edge = 0, glides = false; // `points` of now, and of before
  let state, slots = [], codes = new Uint8Array(0); // of the points drawn: which ones, and their segments
  let glowing = []; // who moved: { at, from, to, x, y, born }, x and y where the customer was
  let only = null;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const color = (segment) => (segment === NOWHERE ? GREY : state.segments[segment].color);
  const onMap = (px, py) => [px + MIDDLE, Math.min(Math.max(py, -edge), edge) + MIDDLE];
  const placeOf = (slot, share) => {
    const was = before[3 * slot + 2] === NOWHERE ? points : before;
    return [0, 1].map((j) => was[3 * slot + j] + (points[3 * slot + j] - was[3 * slot + j]) * share);
  };
  const shareAt = (now) => (still ? 1 : 1 - (1 - Math.min(1, (now - started) / GLIDE)) ** 3);

  const drawGlow = ({ ink, place, ring, radius }) => {
    const now = performance.now(), share = shareAt(now);
    for (const move of glowing) {
      if (only !== null && move.from !== only && move.to !== only) continue;
      const drawn = slots.indexOf(move.at);
      if (drawn < 0) continue;
      const there = place(...onMap(...placeOf(move.at, share))), left = still ? 0.9 : 1 - (now - move.born) / GLOW;
      const from = place(...onMap(move.x, move.y));
      if (move.from !== NOWHERE && Math.hypot(there[0] - from[0], there[1] - from[1]) > 2) {
        const fades = ink.createLinearGradient(...from, ...there);
        fades.addColorStop(0, `${color(move.from)}00`);
        fades.addColorStop(1, color(move.to));
        ink.globalAlpha = Math.max(0, 0.9 * left);
        ink.strokeStyle = fades;
        ink.lineWidth = 2.4;
        ink.beginPath();
        ink.moveTo(...from);
        ink.lineTo(...there);
        ink.stroke();
      }
      ink.globalAlpha = Math.max(0, Math.min(1, 1.6 * left));
      ring(drawn, radius, 1.3);
    }
    ink.globalAlpha = 1;
  };
  const map = makeScatter({
    press: (at) => press(codes[at]),
    hover: (at) => {
      if (at < 0) return;
      const segment = state.segments[codes[at]];
      map.tell(dot(segment.color), element("b", {}, segment.name));
    },
    over: drawGlow,
  });

  const step = (now) => {
    frame = 0;
    const share = shareAt(now);
    if (!still) glowing = glowing.filter((move) => now - move.born < GLOW);
    if (glides) {
      glides = share < 1;
      const x = new Uint16Array(slots.length), y = new Uint16Array(slots.length);
      slots.forEach((slot, i) => { [x[i], y[i]] = onMap(...placeOf(slot, share)); });
      map.move(x, y, !glides);
    } else map.drawOver();
    if (glides || (!still && glowing.length)) frame = requestAnimationFrame(step);
  };
  const draw = () => {
    cancelAnimationFrame(frame);
    step(performance.now());
  };
  const focus = () => map.choose(only === null ? null : codes.map((code) => Number(code === only)));
  return {
    map,
    show(next, fresh) {
      const came = pointsOf(next), now = performance.now(), first = !points;
      if (first) {
        let reach = 0.25 * FULL;
        for (let i = 0; i < came.length; i += 3) if (came[i + 2] !== NOWHERE) reach = Math.max(reach, Math.abs(came[i + 1]));
        edge = Math.min(EDGE, reach + 0.06 * FULL);
      }
      const old = points && points.length === came.length ? points : came;
      const visible = fresh.filter((move) => move.at !== NOWHERE).slice(0, MOST_GLOWING);
      const born = visible.map((move) => ({ ...move, x: old[3 * move.at], y: old[3 * move.at + 1], born: now }));
      glowing = [...born.reverse(), ...(still ? [] : glowing)].slice(0, MOST_GLOWING);
      [state, before, points, started, glides] = [next, old, came, now, true];
      slots = Array.from({ length: came.length / 3 }, (_, slot) => slot).filter((slot) => came[3 * slot + 2] !== NOWHERE);
      codes = Uint16Array.from(slots, (slot) => came[3 * slot + 2]);
      if (first) {
        const both = slots.map((slot) => onMap(came[3 * slot], came[3 * slot + 1]));
        map.points(Uint16Array.from(both, ([x]) => x), Uint16Array.from(both, ([, y]) => y), [onMap(-EDGE, -edge), onMap(EDGE, edge)]);
      }
      map.paint(codes, next.segments.map((segment) => segment.color));
      map.believe(Uint8Array.from(codes, (code) => (next.segments[code].rare ? RARE : 255)));
      focus();
      draw();
    },
    mark: (at) => map.mark(slots.indexOf(at)),
    only(segment) {
      only = segment;
      focus();
      draw();
    },
    end() {
      cancelAnimationFrame(frame);
      map.end();
    },
  };
}

function countsTable(press) {
  const body = element("tbody");
  const table = tableOf(["Segment", "Customers", "Joined", "Left"], body, "counts");
  return {
    table,
    show(segments, only) {
      const focused = body.contains(document.activeElement) ? document.activeElement.dataset.at : null;
      const most = Math.max(1, ...segments.map((segment) => segment.size));
      body.replaceChildren(...segments.flatMap((segment, at) => {
        if (segment.rare && !segment.size && !segment.joined) return [];
        const button = toolButton(dot(segment.color), "", () => press(at));
        button.append(element("span", {}, segment.legend));
        button.className = "name";
        button.dataset.at = at;
        button.setAttribute("aria-pressed", only === at);
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
  const box = scrolled("Latest moves", tableOf(["Customer", "Moved", "Why", "When"], body, "list"));
  const row = (state, move) => {
    const button = toolButton(move.customer, "", () => press(move.customer));
    button.className = "customer";
    const end = (at, before) => endOf(state.segments[at], "New customer", before);
    const why = element("td", { className: "why" }, element("span", { className: move.why === "time alone" ? "tag time" : "tag" }, move.why.replaceAll("_", " ")));
    if (move.late) why.append(" ", element("span", { className: "tag", title: "The event arrived late and corrects the segment." }, "late"));
    const made = element("tr", {}, element("td", { className: "who" }, button),
      element("td", { className: "way" }, end(move.from), end(move.to, "→ ")), why, element("td", { className: "when" }, move.when));
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
      const shut = toolButton("✕", "Close", close);
      shut.className = "shut";
      shut.setAttribute("aria-label", `Close ${chosen}`);
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
  let state = model.get("state"), seen = null, only = null, spoken = -SPOKEN;
  const pause = toolButton("", "", () => send("paused", !model.get("paused")));
  pause.className = "play";
  const status = element("span", { className: "status" }), when = element("output", { className: "date" });
  const sentence = element("p", { className: "hint" });
  const heard = element("p", { className: "heard" }); // for screen readers, and not too often
  heard.setAttribute("role", "status");
  const note = element("p", { className: "hint" });
  const empty = element("p", { className: "hint" }), badge = element("span", { className: "badge" });
  const kind = element("p", { className: "hint" });
  const error = errorLine();

  const send = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const focus = (at) => {
    only = only === at ? null : at;
    moving.only(only);
    drawWords();
  };
  const moving = movingMap(focus), { map } = moving;
  const counts = countsTable(focus);
  const moves = movesList((customer) => send("chosen", model.get("chosen") === customer ? "" : customer));
  const card = customerCard(() => send("chosen", ""));

  const drawWords = () => {
    const paused = model.get("paused"), chosen = model.get("chosen");
    sayPlays(pause, !paused, "Resume", "Pause");
    const problem = model.get("error") || state.error;
    root.classList.toggle("paused", paused || problem !== "");
    status.textContent = paused ? "Paused" : problem ? "Not current" : "Live";
    when.textContent = state.now;
    sentence.textContent = state.said;
    note.textContent = state.note;
    badge.textContent = state.badge;
    kind.textContent = state.kind;
    error.textContent = problem;
    map.say(`Map of customers by segment, ${state.now}. The tables say the same in numbers.`);
    counts.show(state.segments, only);
    const any = moves.show(state, only, chosen);
    empty.textContent = any ? "Press a customer to see her on the map, with her numbers."
      : only !== null ? `None of the latest moves is to or from ${state.segments[only].name}.`
        : "As soon as somebody changes segment, it is said here.";
    card.show(model.get("card"), state, chosen);
    moving.mark(model.get("card").customer_id === chosen ? model.get("card").at : NOWHERE);
  };
  const drawAll = () => {
    if (model.get("paused")) return drawWords();
    state = model.get("state");
    const fresh = seen === null ? [] : state.moves.filter((move) => move.n > seen);
    seen = Math.max(seen ?? 0, ...state.moves.map((move) => move.n));
    moving.show(state, fresh);
    drawWords();
    if (fresh.length && performance.now() - spoken > SPOKEN) {
      spoken = performance.now();
      heard.textContent = state.said;
    }
  };

  const root = element("div", { className: "segkit live" },
    element("div", { className: "top" }, pause, element("span", { className: "pulse" }), status, when),
    sentence, heard, error,
    element("div", { className: "sides" },
      element("div", { className: "map" }, ...drawn(map), note, card.card, badge, kind),
      element("div", { className: "numbers" },
        element("h4", {}, "Segments now"), counts.table,
        element("h4", {}, "Latest moves"), empty, moves.box)));
  el.append(root);

  const unfollow = follow(model, {
    "change:state": drawAll, "change:paused": drawAll, "change:chosen": drawWords, "change:card": drawWords, "change:error": drawWords,
  });
  drawAll();
  const letGo = join(model, root);
  return () => {
    moving.end();
    letGo();
    unfollow();
  };
}

export default { render };
