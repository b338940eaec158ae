// The view of SegmentExplorer: the map of everyone, and beside it colours, segments, and what sets chosen customers apart.

const SILENT = "Python does not answer. If it is busy, wait; if it was started again, run the cell again.";

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

// Who is found on the map: the id, the segment, and why the customer is in it.
function customerCard(shut) {
  const card = element("section", { className: "card", hidden: true });
  card.setAttribute("aria-label", "Customer");
  return {
    card,
    show(said, color) {
      card.hidden = !said;
      if (!said) return card.replaceChildren();
      const close = toolButton("✕", "Close", shut);
      close.className = "shut";
      close.setAttribute("aria-label", `Close ${said.customer}`);
      const titles = ["Feature", "This customer", "Segment", "Others"].map((title) => element("th", { scope: "col" }, title));
      const rows = (said.rows || []).map((row) => element("tr", {}, ...row.map((value) => element("td", {}, value))));
      card.replaceChildren(close, element("h4", {}, dot(color), `${said.customer} · ${said.segment}`), element("p", {}, said.sentence || ""),
        element("table", {}, element("thead", {}, element("tr", {}, ...titles)), element("tbody", {}, ...rows)));
    },
  };
}

function render({ model, el }) {
  const anyOf = (groups) => groups.includes(1) || groups.includes(2);
  let telling = false;
  let n = 0, labels = new Uint8Array(0), flags = null; // of each customer: position of the segment; 1 or 2 where chosen
  let target = 1, pointed = -1, asking = 0;
  const known = new Map(); // what Python said of customers who were pointed at

  const map = makeScatter({
    select: (found, add) => choose(found, add),
    clear: () => clearAll(),
    hover: (at) => drawTip(at),
  });
  map.say("Map of customers.");
  const tools = toolChoice([
    ["lasso", "Lasso", "Draw around customers to choose them"],
    ["box", "Box", "Draw a box around customers to choose them"],
    ["move", "Move", "Drag the map; the wheel zooms"],
  ], map.use);
  const undo = toolButton("Undo", "Undo the last choice or edit (Ctrl+Z)", () => act({ do: "undo" }));
  const redo = toolButton("Redo", "Redo what was undone (Ctrl+Shift+Z)", () => act({ do: "redo" }));
  const steps = element("div", { className: "tools" }, undo, redo);
  const search = element("input", { type: "search", placeholder: "Find a customer by id", spellcheck: false });
  search.setAttribute("aria-label", "Find a customer by id");
  const badge = element("span", { className: "badge" });

  const first = toolButton("", "Drawing on the map chooses these", () => aim(1)), second = toolButton("", "Drawing on the map chooses whom they are compared with", () => aim(2));
  first.className = "group a";
  second.className = "group b";
  const clear = toolButton("Clear", "Choose nobody (Escape)", () => clearAll());
  const counted = element("span", { className: "said" });
  const chosen = element("div", { className: "below" }, counted, first, second, clear);
  chosen.setAttribute("aria-live", "polite");
  const groupName = element("input", { type: "text", placeholder: "Name of this group", spellcheck: false });
  groupName.setAttribute("aria-label", "Name of this group");
  const makeOne = toolButton("Make a segment", "Make the chosen customers a segment of this name", () => act({ do: "make", name: groupName.value }));
  const save = toolButton("Save as audience", "Keep the chosen customers as an audience of this name", () => act({ do: "audience", name: groupName.value }));
  const uses = element("div", { className: "below uses" }, groupName, makeOne, save);
  const done = element("p", { className: "hint" });
  done.setAttribute("aria-live", "polite");

  const color = element("select");
  color.setAttribute("aria-label", "Colour by");
  const legend = element("div");
  const fade = element("input", { type: "checkbox" });
  const doubt = element("label", { className: "tick" }, fade, "Fade places that mislead: those whose true neighbours lie elsewhere");
  const kind = element("p", { className: "kind" });
  const error = errorLine("status");
  const heading = element("h4"), hint = element("div", { className: "hint" }), typical = element("div", { className: "hint" });
  const differences = differencesTable(), tested = evidenceTable();
  const code = element("pre");
  const send = (changed) => {
    for (const [name, value] of Object.entries(changed)) model.set(name, value);
    model.save_changes();
  };
  let named = ""; // of the group that is being made; what is written meanwhile stays
  const act = (wanted) => {
    if (wanted.name) named = wanted.name;
    root.classList.add("waiting");
    send({ wanted });
    awaitAnswer();
  };

  // Where Python does not answer, such as after a restart, this is said.
  const awaitAnswer = () => {
    clearTimeout(asking);
    asking = setTimeout(() => { error.textContent = SILENT; }, 15000);
  };
  const answered = () => {
    clearTimeout(asking);
    if (error.textContent === SILENT) error.textContent = model.get("error");
  };
  const drawn = () => {
    root.classList.remove("waiting");
    answered();
  };
  const ask = (question) => {
    model.send(question);
    awaitAnswer();
  };
  const answer = (said, buffers) => {
    if (!said?.asked) return;
    answered();
    if (said.error) {
      error.textContent = said.error;
      if (said.asked.ask === "trust") fade.checked = false;
      return;
    }
    const got = numbers(Uint8Array, buffers?.[0]);
    if (said.asked.ask === "customer") {
      known.set(said.card.at, said.card);
      if (pointed === said.card.at) fillTip(said.card);
    } else if (said.asked.ask === "why") {
      error.textContent = "";
      map.mark(said.card.at);
      card.show(said.card, model.get("segments")[labels[said.card.at]].color);
    } else if (said.asked.ask === "column") {
      charts.get(said.asked.name)?.fill(got, said.ends);
    } else if (said.asked.ask === "trust") {
      map.believe(fade.checked ? got.map((share) => 12 + share * 0.95) : null);
    } else if (said.asked.ask === "picture") {
      picture.src = URL.createObjectURL(new Blob([got], { type: "image/png" }));
    }
  };

  const charts = new Map(), chartBox = element("div", { className: "histograms" });
  const categories = categoryBar({ keep: (inside) => keepOnly(inside) });
  const card = customerCard(() => {
    map.mark(-1);
    card.show(null);
  });
  const picture = element("img", { alt: "Map of a sample of customers" });
  const segments = segmentList({
    model,
    show(id, add) {
      const at = model.get("segments").findIndex((segment) => segment.id === id);
      choose(labels.map((label) => label === at), add);
    },
    ticked: (ids) => drawEdits(ids),
  });
  let ticks = [];
  const merge = toolButton("Merge", "Make the ticked segments one", () => act({ do: "merge", segments: ticks }));
  const split = toolButton("Split in two", "Divide the ticked segment", () => act({ do: "split", segment: ticks[0] }));
  const pin = toolButton("Pin", "Let the ticked segments keep their customers when others are made again", () => {
    const pinned = model.get("segments").filter((one) => one.pinned).map((one) => one.id);
    const all = ticks.every((id) => pinned.includes(id));
    act({ do: "pin", segments: all ? pinned.filter((id) => !ticks.includes(id)) : [...new Set([...pinned, ...ticks])] });
  });
  const edits = element("div", { className: "edits" }, element("span", { className: "hint" }, "Ticked:"), merge, split, pin);
  const drawEdits = (ids) => {
    ticks = ids;
    edits.hidden = !ids.length;
    merge.disabled = ids.length < 2;
    split.disabled = ids.length !== 1;
    const pinned = model.get("segments").filter((one) => one.pinned).map((one) => one.id);
    pin.textContent = ids.length && ids.every((id) => pinned.includes(id)) ? "Unpin" : "Pin";
  };
  color.addEventListener("change", () => {
    legend.textContent = ["confidence", "map trust"].includes(color.value) ? "Computing…" : "";
    send({ color_by: color.value });
  });
  fade.addEventListener("change", () => (fade.checked ? ask({ ask: "trust" }) : map.believe(null)));
  search.addEventListener("keydown", (event) => event.key === "Enter" && search.value.trim() && ask({ ask: "why", text: search.value }));

  // The page answers at once; Python is told afterwards, and says what sets them apart. Nobody is in both groups.
  const choose = (found, add = false) => {
    const next = flags ? flags.slice() : new Uint8Array(n), other = 3 - target;
    for (let i = 0; i < n; i += 1) {
      if (!add && next[i] === target) next[i] = 0;
      if (found[i] && !(target === 2 && next[i] === other)) next[i] = target;
    }
    tell(next);
  };
  const keepOnly = (inside) => {
    const some = flags && flags.includes(target), found = new Uint8Array(n);
    for (let i = 0; i < n; i += 1) if ((!some || flags[i] === target) && inside(i)) found[i] = 1;
    choose(found);
  };
  const clearAll = () => {
    target = 1;
    if (flags) tell(new Uint8Array(n));
    else drawChosen();
  };
  const tell = (next) => {
    const same = flags ? next.every((group, i) => group === flags[i]) : !anyOf(next);
    flags = anyOf(next) ? next : null;
    drawChosen();
    if (same) return; // Python would not answer
    root.classList.add("waiting");
    telling = true; // what this page says is no news to it
    send({ group_a: toBits(next, 1), group_b: toBits(next, 2), done: "" });
    telling = false;
    awaitAnswer();
  };
  const aim = (group) => {
    target = group;
    drawChosen();
  };
  const drawChosen = () => {
    map.choose(flags);
    const count = [0, 0, 0];
    if (flags) for (let i = 0; i < n; i += 1) count[flags[i]] += 1;
    if (!count[1]) target = 1;
    const percent = (part) => (part < 0.01 ? "under 1%" : `${Math.round(100 * part)}%`);
    const share = (group) => `${customers(count[group])} (${percent(count[group] / n)})`;
    first.textContent = count[1] ? `A: ${share(1)}` : "A: nobody yet";
    second.textContent = count[2] ? `B: ${share(2)}` : target === 2 ? "B: draw around others" : "B: all others";
    first.setAttribute("aria-pressed", target === 1);
    second.setAttribute("aria-pressed", target === 2);
    second.disabled = !count[1];
    counted.textContent = count[1] ? "" : `${customers(n)}. Draw around some to see what sets them apart.`;
    for (const one of [first, second, clear, uses]) one.hidden = !count[1] && !count[2];
    for (const chart of charts.values()) chart.choose(flags);
    drawCategories();
  };
  const heardChosen = () => {
    if (telling) return;
    const a = fromBits(model.get("group_a"), n), b = fromBits(model.get("group_b"), n);
    for (let i = 0; i < n; i += 1) if (!a[i] && b[i]) a[i] = 2;
    flags = anyOf(a) ? a : null;
    drawChosen();
  };
  const fillTip = (said) => {
    const segment = model.get("segments")[labels[pointed]];
    map.tell(dot(segment.color), element("b", {}, segment.name),
      ...(said ? [element("div", {}, said.customer), ...said.features.map(([name, value, unit]) => element("div", { className: "fact" }, element("span", {}, name), ` ${value} ${unit}`))] : []));
  };
  const drawTip = (at) => {
    pointed = at;
    if (at < 0) return;
    fillTip(known.get(at));
    if (!known.has(at)) setTimeout(() => pointed === at && model.send({ ask: "customer", at }), 80);
  };

  const drawPlaces = () => {
    const both = numbers(Uint16Array, model.get("places"));
    n = both.length / 2;
    map.points(both.subarray(0, n), both.subarray(n));
  };
  const drawLabels = () => {
    const bytes = model.get("label_codes");
    labels = numbers(bytes.byteLength > n ? Uint16Array : Uint8Array, bytes);
    known.clear();
    drawPaint();
    drawCategories();
  };
  const drawCategories = () => {
    if (labels.length === n) categories.show(model.get("segments"), labels, flags, model.get("minimum"));
  };
  const drawPaint = () => {
    const shades = numbers(Uint8Array, model.get("shade_codes"));
    if (shades.length === n && n && model.get("shade_colors").length) map.paint(shades, model.get("shade_colors"));
    else if (labels.length === n) map.paint(labels, model.get("segments").map((segment) => segment.color));
  };
  const drawSegments = () => {
    segments.draw();
    drawPaint();
    drawCategories();
  };
  const drawHistograms = () => {
    const names = model.get("histograms");
    for (const name of names) {
      if (charts.has(name)) continue;
      charts.set(name, histogram({ name, keep: (inside) => keepOnly(inside) }));
      charts.get(name).choose(flags);
      model.send({ ask: "column", name }); // after the first picture: it needs places and segments only
    }
    chartBox.replaceChildren(...names.map((name) => charts.get(name).root));
  };
  const drawColor = () => {
    const options = model.get("color_options");
    color.replaceChildren(...options.map((name) => element("option", { value: name }, name)));
    color.value = model.get("color_by");
    legend.replaceChildren(legendOf(model.get("ramp")));
  };
  const drawGroup = () => {
    const { count, against, rows = [], hint: more, evidence = [], typical: nearest = [] } = model.get("group");
    heading.textContent = rows.length ? `What sets these ${number(count)} apart` : "What sets them apart";
    hint.textContent = rows.length
      ? `Against ${against ? `the ${against} of group B` : "all other customers"}. Orange: more, blue: less; the bar ends at two standard deviations.`
      : more || "Draw around customers on the map, or press Show.";
    differences.show(rows, against);
    tested.show(evidence);
    typical.replaceChildren(...(nearest.length ? ["Typical of them: ", ...nearest.flatMap((at, i) => [toolButton(`${i + 1}`, "Find this customer", () => ask({ ask: "why", at })), " "])] : []));
    for (const button of typical.querySelectorAll("button")) button.setAttribute("aria-label", `Typical customer ${button.textContent}`);
  };
  const drawWords = () => {
    badge.textContent = model.get("badge");
    kind.textContent = model.get("kind_sentence");
    error.textContent = model.get("error");
    done.textContent = model.get("done");
    code.textContent = model.get("code");
    undo.disabled = !model.get("steps").undo;
    redo.disabled = !model.get("steps").redo;
  };
  const heardError = () => {
    drawWords();
    drawn();
  };
  const heardAct = () => {
    if (Object.keys(model.get("wanted")).length) return;
    drawn();
    if (!model.get("error") && groupName.value === named) groupName.value = named = "";
  };

  const root = element("div", { className: "segkit explorer" },
    element("div", { className: "top" }, tools.root, zoomButtons(map), steps, search, badge),
    element("div", { className: "sides" },
      element("div", { className: "map" }, map.root,
        chosen, uses, done, categories.root, card.card, chartBox),
      element("div", { className: "panel" },
        element("h4", {}, "Colour by"), color, legend, doubt,
        element("h4", {}, "Segments: write a name, press Enter"), segments.list, edits, kind, error,
        heading, hint, differences.table, tested.root, typical,
        codeBlock(code))));
  root.style.setProperty("--height", `${model.get("height")}px`);
  root.addEventListener("keydown", (event) => event.key === "Escape" && event.target !== map.canvas && flags && clearAll());
  el.append(root);
  tools.press("lasso");
  if (!map.works) {
    map.root.replaceChildren(element("p", { className: "hint" }, "This page cannot draw, so here is a picture of a sample. The lists beside it work."), picture);
    ask({ ask: "picture" });
  }

  const draws = {
    "change:places": drawPlaces, "change:label_codes": drawLabels, "change:group_a": heardChosen, "change:group_b": heardChosen,
    "change:shade_codes": drawPaint, "change:shade_colors": drawPaint, "change:color_by": drawColor, "change:color_options": drawColor,
    "change:ramp": drawColor, "change:segments": drawSegments, "change:histograms": drawHistograms, "change:wanted_names": segments.draw,
    "change:wanted": heardAct, "change:group": drawGroup, "change:drawn": drawn, "change:error": heardError, "change:done": drawWords, "change:code": drawWords,
    "change:badge": drawWords, "change:kind_sentence": drawWords, "change:steps": drawWords, "msg:custom": answer,
  };
  const unfollow = follow(model, draws);
  [drawPlaces, drawLabels, drawSegments, heardChosen, drawColor, drawGroup, drawWords, drawHistograms].forEach((draw) => draw());
  const themed = new MutationObserver(() => [drawChosen, drawGroup].forEach((draw) => draw()));
  themed.observe(document.body, { attributeFilter: ["data-jp-theme-light"] });
  const letGo = join(model, root), letGoUndo = undoKeys((at) => root.contains(at), (step) => act({ do: step }));
  return () => {
    map.end();
    themed.disconnect();
    clearTimeout(asking);
    letGo();
    letGoUndo();
    unfollow();
  };
}

export default { render };
