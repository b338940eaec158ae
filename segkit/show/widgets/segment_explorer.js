// The view of SegmentExplorer: the map of everyone, and beside it colours, segments, and what sets chosen customers apart.

function toolButton(label, title, act) {
  const made = element("button", { type: "button", title }, label);
  made.addEventListener("click", act);
  return made;
}

// Choose one of several tools: a group of buttons, of which one is pressed.
function toolChoice(tools, use) {
  const buttons = tools.map(([name, label, title]) => {
    const button = toolButton(label, title, () => press(name));
    button.dataset.tool = name;
    return button;
  });
  const press = (name) => {
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.tool === name);
    use(name);
  };
  const root = element("div", { className: "tools" }, ...buttons);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "What drawing on the map does");
  return { root, press };
}

// One bit for each customer; nothing where nobody is chosen.
function toBits(flags, group) {
  const bits = new Uint8Array(Math.ceil(flags.length / 8));
  let any = false;
  for (let i = 0; i < flags.length; i += 1) {
    if (flags[i] !== group) continue;
    bits[i >> 3] |= 1 << (i & 7);
    any = true;
  }
  return new DataView(any ? bits.buffer : new ArrayBuffer(0));
}

function fromBits(view, n) {
  const bits = numbers(Uint8Array, view), flags = new Uint8Array(n);
  if (bits.length) for (let i = 0; i < n; i += 1) flags[i] = (bits[i >> 3] >> (i & 7)) & 1;
  return flags;
}

function legendOf({ ends, colors, words }) {
  const legend = element("div", { className: "ramp" });
  if (ends) {
    const bar = element("i");
    bar.style.background = `linear-gradient(90deg, ${colors.join(", ")})`;
    legend.append(element("span", { className: "scale" }, ends[0], bar, ends[1]));
  }
  for (const [word, color] of words || []) legend.append(element("span", { className: "word" }, dot(color), word));
  return legend;
}

function differencesTable() {
  const body = element("tbody");
  const titles = ["Feature", "Difference", "Here", "Others"].map((said) => element("th", { scope: "col" }, said));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...titles)), body);
  const row = (one) => {
    const fill = element("i"), width = Math.min(Math.abs(one.effect) / 2, 1) * 50;
    fill.style.width = `${width}%`;
    fill.style.left = one.effect < 0 ? `${50 - width}%` : "50%";
    fill.style.background = GROUPS[one.effect < 0 ? 1 : 0];
    const bar = element("div", { className: "bar", title: `Cohen's d ${one.effect.toFixed(2)}` }, fill);
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `Cohen's d ${one.effect.toFixed(2)}`);
    const unit = one.unit === "share of customers" ? "" : one.unit;
    return element("tr", {},
      element("td", {}, one.feature, element("span", { className: "unit" }, unit ? ` (${unit})` : "")),
      element("td", {}, bar), element("td", {}, one.inside), element("td", {}, one.others));
  };
  return {
    table,
    show(rows) {
      table.hidden = !rows.length;
      body.replaceChildren(...rows.map(row));
    },
  };
}

// The list of segments: their names to write, their sizes, and a button that chooses their customers.
function segmentList({ model, show }) {
  const list = element("div", { className: "segments" });
  let drawing = false;
  const send = (id, name) => {
    model.set("wanted_names", { [id]: name });
    model.save_changes();
  };
  const nameField = (segment, typed) => {
    const name = element("input", { type: "text", value: segment.name, disabled: !segment.named, spellcheck: false });
    name.dataset.id = segment.id;
    if (typed !== undefined) name.value = name.dataset.unsent = typed; // being written while Python answered
    name.setAttribute("aria-label", `Name of ${segment.name}`);
    const rename = () => {
      if (drawing) return; // Chromium says "change" of a field that is taken away
      delete name.dataset.unsent;
      if (name.value !== segment.name) send(segment.id, name.value);
    };
    name.addEventListener("input", () => { name.dataset.unsent = name.value; });
    name.addEventListener("change", rename);
    name.addEventListener("keydown", (event) => event.key === "Enter" && rename()); // no "change" in JupyterLab
    return name;
  };
  const rowOf = (segment, typed, open) => {
    const name = nameField(segment, typed);
    const press = toolButton("Show", `Choose the customers of ${segment.name}`, (event) => show(segment.id, event.shiftKey));
    press.setAttribute("aria-label", `Show ${segment.name}`);
    const row = element("div", { className: "segment" }, dot(segment.color), name, element("span", { className: "size" }, segment.size), press);
    if (segment.worth) row.append(element("div", { className: "below" }, `Worth ${segment.worth}`));
    if (segment.play.length) {
      const lines = segment.play.flatMap(([label, words, tag]) => [
        element("dt", {}, label),
        element("dd", {}, words, ...(tag ? [" ", element("span", { className: "tag" }, tag)] : [])),
      ]);
      const play = element("details", { className: "below", open }, element("summary", {}, "What to do"), element("dl", {}, ...lines));
      play.dataset.id = segment.id;
      row.append(play);
    }
    if (segment.suggested) {
      const accept = toolButton(`Use “${segment.suggested}”`, segment.why, () => {
        delete name.dataset.unsent;
        send(segment.id, segment.suggested);
      });
      accept.className = "suggested";
      row.append(accept);
    }
    return row;
  };
  return {
    list,
    draw() {
      if (Object.keys(model.get("wanted_names")).length) return; // Python has yet to answer
      drawing = true;
      const controls = (row) => [...(list.children[row]?.querySelectorAll("input, button") || [])];
      const row = [...list.children].findIndex((child) => child.matches(":focus-within"));
      const focused = controls(row).findIndex((control) => control.matches(":focus"));
      const open = new Set([...list.querySelectorAll("details[open]")].map((play) => play.dataset.id));
      const unsent = new Map([...list.querySelectorAll("input")].map((field) => [field.dataset.id, field.dataset.unsent]));
      list.replaceChildren(...model.get("segments").map((segment) =>
        rowOf(segment, unsent.get(String(segment.id)), open.has(String(segment.id)))));
      drawing = false;
      if (row >= 0) (controls(row)[focused] || controls(row)[0])?.focus(); // a suggestion that was taken is gone
    },
  };
}

function render({ model, el }) {
  let n = 0, labels = new Uint8Array(0), flags = null; // of each customer: position of the segment; 1 where chosen

  const map = makeScatter({
    select: (found, add) => choose(found, add),
    clear: () => choose(null),
    hover: (at, px, py) => drawTip(at, px, py),
  });
  const tip = element("div", { className: "tip", hidden: true });
  map.root.append(tip);
  const tools = toolChoice([
    ["lasso", "Lasso", "Draw around customers to choose them"],
    ["box", "Box", "Draw a box around customers to choose them"],
    ["move", "Move", "Drag the map; the wheel zooms"],
  ], map.use);
  const zooms = element("div", { className: "tools" },
    toolButton("−", "Zoom out", () => map.zoomBy(1 / 1.5)), toolButton("+", "Zoom in", () => map.zoomBy(1.5)), toolButton("All", "Show everyone", map.fit));
  const badge = element("span", { className: "badge" });
  const chosen = element("span", { className: "said" });
  chosen.setAttribute("aria-live", "polite");
  const clear = toolButton("Clear", "Choose nobody (Escape)", () => choose(null));

  const color = element("select");
  color.setAttribute("aria-label", "Colour by");
  const legend = element("div");
  const kind = element("p", { className: "kind" });
  const error = element("div", { className: "error" });
  error.setAttribute("role", "status");
  const heading = element("h4"), hint = element("div", { className: "hint" });
  const differences = differencesTable();
  const code = element("pre");
  const send = (changed) => {
    for (const [name, value] of Object.entries(changed)) model.set(name, value);
    model.save_changes();
  };
  const segments = segmentList({
    model,
    show(id, add) {
      const at = model.get("segments").findIndex((segment) => segment.id === id);
      choose(Uint8Array.from(labels, (label) => label === at), add);
    },
  });
  color.addEventListener("change", () => send({ color_by: color.value }));

  // The page answers at once; Python is told afterwards, and says what sets them apart.
  const choose = (found, add = false) => {
    const next = found ? found.slice() : new Uint8Array(n);
    if (add && flags) for (let i = 0; i < n; i += 1) next[i] |= flags[i];
    flags = next.includes(1) ? next : null;
    drawChosen();
    root.classList.add("waiting");
    send({ group_a: toBits(next, 1) });
  };
  const drawChosen = () => {
    map.choose(flags);
    let count = 0;
    if (flags) for (let i = 0; i < n; i += 1) count += flags[i];
    chosen.textContent = count ? `${customers(count)} chosen (${Math.round((100 * count) / n)}%)` : `${customers(n)}. Draw around some to compare them with the others.`;
    clear.hidden = !count;
  };
  const heardChosen = () => {
    const told = fromBits(model.get("group_a"), n);
    flags = told.includes(1) ? told : null;
    drawChosen();
  };
  const drawTip = (at, px, py) => {
    tip.hidden = at < 0;
    if (at < 0) return;
    const segment = model.get("segments")[labels[at]];
    tip.replaceChildren(dot(segment.color), element("b", {}, segment.name));
    tip.style.left = `${Math.min(px + 14, map.root.clientWidth - tip.offsetWidth - 6)}px`;
    tip.style.top = `${py + 18 + tip.offsetHeight > map.root.clientHeight ? py - tip.offsetHeight - 10 : py + 18}px`;
  };

  const drawPlaces = () => {
    const both = numbers(Uint16Array, model.get("places"));
    n = both.length / 2;
    map.points(both.subarray(0, n), both.subarray(n));
  };
  const drawLabels = () => {
    const bytes = model.get("label_codes");
    labels = numbers(bytes.byteLength > n ? Uint16Array : Uint8Array, bytes);
    drawPaint();
  };
  const drawPaint = () => {
    const shades = numbers(Uint8Array, model.get("shade_codes"));
    if (shades.length === n && n) map.paint(shades, model.get("shade_colors"));
    else if (labels.length === n) map.paint(labels, model.get("segments").map((segment) => segment.color));
  };
  const drawSegments = () => {
    segments.draw();
    drawPaint();
  };
  const drawColor = () => {
    const options = model.get("color_options");
    color.replaceChildren(...options.map((name) => element("option", { value: name }, name)));
    color.value = model.get("color_by");
    legend.replaceChildren(legendOf(model.get("ramp")));
  };
  const drawGroup = () => {
    const { count, rows = [], hint: more } = model.get("group");
    root.classList.remove("waiting");
    heading.textContent = rows.length ? `What sets these ${number(count)} apart` : "What sets them apart";
    hint.textContent = rows.length
      ? "Against all other customers. Orange: more, blue: less; the bar ends at two standard deviations."
      : more || "Draw around customers on the map, or press Show.";
    differences.show(rows);
  };
  const drawWords = () => {
    badge.textContent = model.get("badge");
    kind.textContent = model.get("kind_sentence");
    error.textContent = model.get("error");
    code.textContent = model.get("code");
  };

  const root = element("div", { className: "segkit explorer" },
    element("div", { className: "top" }, tools.root, zooms, badge),
    element("div", { className: "sides" },
      element("div", { className: "map" }, map.root, element("div", { className: "below" }, chosen, clear)),
      element("div", { className: "panel" },
        element("h4", {}, "Colour by"), color, legend,
        element("h4", {}, "Segments: write a name, press Enter"), segments.list, kind, error,
        heading, hint, differences.table,
        element("details", { className: "code" }, element("summary", {}, "The code"), code))));
  root.style.setProperty("--height", `${model.get("height")}px`);
  root.addEventListener("keydown", (event) => event.key === "Escape" && event.target !== map.canvas && flags && choose(null));
  el.append(root);
  tools.press("lasso");

  const draws = {
    "change:places": drawPlaces, "change:label_codes": drawLabels, "change:group_a": heardChosen, "change:shade_codes": drawPaint,
    "change:shade_colors": drawPaint, "change:color_by": drawColor, "change:color_options": drawColor, "change:ramp": drawColor,
    "change:segments": drawSegments, "change:wanted_names": segments.draw, "change:group": drawGroup, "change:error": drawWords,
    "change:code": drawWords, "change:badge": drawWords, "change:kind_sentence": drawWords,
  };
  for (const [event, draw] of Object.entries(draws)) model.on(event, draw);
  [drawPlaces, drawLabels, drawSegments, heardChosen, drawColor, drawGroup, drawWords].forEach((draw) => draw());
  const letGo = keepKeys(root);
  return () => {
    map.end();
    letGo();
    for (const [event, draw] of Object.entries(draws)) model.off(event, draw);
  };
}

export default { render };
