// The view of FeaturePicker: a block for each basis, in it the families, and in these a row with a tick for each
// feature. Families without a tick are folded where there are many; searching opens those that hold what is sought.

const SVG = "http://www.w3.org/2000/svg";
const FEW = 30; // options that need no folding
const BASES = {
  demographic: "who they are",
  geographic: "where they are",
  psychographic: "what they think",
  behavioural: "what they do",
};

function sparkline(bars, label) {
  const svg = document.createElementNS(SVG, "svg");
  const [width, height] = [92, 20];
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const step = Math.min(width / Math.max(bars.length, 1), 18);
  bars.forEach((bar, i) => {
    const rect = document.createElementNS(SVG, "rect");
    const tall = bar > 0 ? Math.max(bar * height, 1) : 0;
    rect.setAttribute("x", i * step);
    rect.setAttribute("y", height - tall);
    rect.setAttribute("width", Math.max(step - 1, 1));
    rect.setAttribute("height", tall);
    svg.append(rect);
  });
  const title = document.createElementNS(SVG, "title");
  title.textContent = label;
  svg.append(title);
  return svg;
}

// Small letters without accents, and underscores as blanks, so that "gap mean" finds gap_mean, and "café" cafe.
function plain(text) {
  return text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replaceAll("_", " ");
}

// A heading that folds what is under it, and says how many are chosen there.
function foldable(title, more = []) {
  const tally = element("span", { className: "tally" });
  const fold = element("button", { type: "button", className: "fold" },
    element("span", { className: "title" }, title), ...more);
  const body = element("div", { className: "body" });
  const open = (yes) => {
    body.hidden = !yes;
    fold.setAttribute("aria-expanded", yes);
  };
  return { fold, tally, body, open };
}

function family(option) {
  const all = element("input", { type: "checkbox" });
  const held = element("span", { className: "held" });
  const parts = foldable(option.family, [held]);
  const head = element("div", { className: "head" }, all, parts.fold, parts.tally);
  const box = element("div", { className: "family" }, head, parts.body);
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", option.family);
  return { ...parts, title: option.family, all, held, head, box, rows: [], opened: false };
}

function basis(name) {
  const parts = foldable(name[0].toUpperCase() + name.slice(1),
    [element("span", { className: "held" }, BASES[name] || "")]);
  const head = element("div", { className: "head" }, parts.fold, parts.tally);
  const box = element("section", { className: "basis" }, head, parts.body);
  box.setAttribute("aria-label", name);
  return { ...parts, box, families: new Map(), opened: true };
}

// The meaning without its beginning, which is the label.
function more({ label, doc }) {
  const rest = doc.startsWith(label) ? doc.slice(label.length).replace(/^[.:;]?\s*/, "") : doc;
  return rest && rest[0].toUpperCase() + rest.slice(1);
}

// The code name and the unit; an attribute is called as its column is.
function coded({ name, label, unit }) {
  const parts = name === label ? [] : [element("code", {}, name)];
  if (unit) parts.push(...(parts.length ? [" · "] : []), unit);
  return parts;
}

// How much the segments hang on a feature, in words. The bounds are those of Steinley (2004), Properties of the
// Hubert-Arabie adjusted Rand index, Psychological Methods 9.
function influence(agreement) {
  const said = agreement >= 0.9 ? "almost the same" : agreement >= 0.8 ? "much the same"
    : agreement >= 0.65 ? "partly other" : "other";
  return ` Without it: ${said} segments (agreement ${agreement.toFixed(2)}).`;
}

function row(option) {
  const tick = element("input", { type: "checkbox", disabled: Boolean(option.needs) });
  const doc = element("span", { className: "doc" }, more(option));
  if (option.needs) doc.append(element("em", {}, ` Needs ${option.needs}, which these events lack.`));
  else if (option.same) doc.append(element("em", {}, " The same for all."));
  else if (option.missing >= 0.005) {
    const much = option.missing >= 0.2 ? "em" : "span";
    doc.append(element(much, {}, ` Unknown for ${Math.round(option.missing * 100)}\u00a0%.`));
  }
  const like = element("em");
  const without = element("strong", { className: "without" });
  doc.append(like, without);
  const place = element("label", { className: "feature" }, tick,
    element("span", { className: "name" }, option.label, " ",
      element("span", { className: "unit" }, ...coded(option))),
    option.bars.length ? sparkline(option.bars, option.range) : element("span", { className: "blank" }), doc);
  place.dataset.feature = option.name;
  if (option.needs) place.setAttribute("aria-disabled", "true");
  const words = [option.name, option.unit, option.doc, option.synonyms, option.family, option.basis].join(" ");
  const tells = !option.needs && !option.same && option.missing < 1;
  return { name: option.name, label: option.label, tick, place, like, without, alike: option.like || [], words: plain(words), offered: !option.needs, tells };
}

function render({ model, el }) {
  const root = element("div", { className: "segkit picker" });
  const search = element("input", { type: "search", placeholder: "Search", spellcheck: false });
  search.setAttribute("aria-label", "Search the features");
  const count = element("span", { className: "count" });
  const found = element("span", { className: "found" });
  found.setAttribute("aria-live", "polite");
  const error = errorLine("status");
  const only = toolButton("Show chosen", "", () => {
    choosing = choosing ? null : new Set(model.get("value"));
    draw();
  });
  const ask = toolButton("What if I leave one out?", "", () => {
    error.textContent = "";
    model.set("asked", model.get("asked") + 1);
    model.save_changes();
    draw();
  });
  let choosing = null; // what was chosen when only that began to be shown: what is unticked then stays in sight
  const same = element("div", { className: "same" });
  same.setAttribute("aria-live", "polite");
  const code = element("pre");
  const bases = new Map();
  const rows = new Map();

  const choose = (names, place) => {
    if (!names.length) {
      place.after(error); // where the eye is: the list may be scrolled
      error.textContent = "Keep at least one feature: without any there is nothing to segment by.";
      draw();
      return;
    }
    error.textContent = "";
    model.set("value", model.get("options").map((o) => o.name).filter((n) => names.includes(n)));
    model.save_changes();
  };

  const families = () => [...bases.values()].flatMap((block) => [...block.families.values()]);
  const seen = (r, words, chosen) => words.every((w) => r.words.includes(w)) && (!choosing || choosing.has(r.name) || chosen.has(r.name));
  const sought = () => plain(search.value).split(/\s+/).filter(Boolean);

  const tell = (tally, on, of) => {
    tally.textContent = `${on} of ${of}`;
    tally.classList.toggle("some", on > 0);
  };

  const draw = () => {
    const chosen = new Set(model.get("value"));
    const words = sought();
    const agreement = model.get("agreement");
    const filtered = words.length > 0 || Boolean(choosing);
    const waiting = model.get("asked") > model.get("answered");
    let hits = 0;
    for (const part of families()) {
      const offered = part.rows.filter((r) => r.offered);
      const shown = part.rows.filter((r) => seen(r, words, chosen));
      for (const r of part.rows) {
        if (!r.tick.checked && chosen.has(r.name)) part.opened = true; // also if Python ticked it
        r.tick.checked = chosen.has(r.name);
        r.place.classList.toggle("chosen", r.tick.checked);
        r.place.hidden = !shown.includes(r);
        const twins = r.alike.filter((name) => chosen.has(name)).map((name) => rows.get(name).label);
        r.without.textContent = r.name in agreement ? influence(agreement[r.name]) : "";
        r.like.textContent = twins.length ? ` Says the same as ${twins.join(", ")}, which you chose.` : "";
      }
      hits += shown.length;
      const acting = filtered ? shown.filter((r) => r.offered) : offered;
      const on = acting.filter((r) => r.tick.checked).length;
      part.acting = acting.map((r) => r.name);
      part.all.checked = acting.length > 0 && on === acting.length;
      part.all.indeterminate = on > 0 && on < acting.length;
      part.all.disabled = !acting.length;
      part.all.setAttribute("aria-label", `All of ${part.title}${filtered ? " that are shown" : ""}`);
      part.box.hidden = !shown.length;
      part.open(part.opened || filtered);
      tell(part.tally, offered.filter((r) => r.tick.checked).length, offered.length);
    }
    for (const block of bases.values()) {
      const inside = [...block.families.values()].flatMap((part) => part.rows).filter((r) => r.offered);
      tell(block.tally, inside.filter((r) => r.tick.checked).length, inside.length);
      block.box.hidden = [...block.families.values()].every((part) => part.box.hidden);
      block.open(block.opened || filtered);
    }
    const all = [...rows.values()].filter((r) => r.offered).length;
    count.textContent = `${chosen.size} of ${all} features chosen`;
    found.textContent = !words.length ? "" : hits ? `${hits} found` : "none found";
    only.setAttribute("aria-pressed", Boolean(choosing));
    ask.disabled = waiting || chosen.size < 2;
    ask.textContent = waiting ? "Comparing …" : "What if I leave one out?";
    ask.title = `Make ${model.get("n_segments")} segments of the chosen features, and again without each of them.`;
    same.textContent = model.get("same") || "";
    same.hidden = !same.textContent;
    code.textContent = model.get("code");
  };

  const options = model.get("options");
  const ticked = model.get("value");
  for (const option of options) {
    if (!bases.has(option.basis)) bases.set(option.basis, basis(option.basis));
    const block = bases.get(option.basis);
    if (!block.families.has(option.family)) {
      const part = family(option);
      block.families.set(option.family, part);
      block.body.append(part.box);
      part.fold.addEventListener("click", () => {
        part.opened = !part.opened;
        draw();
      });
      part.all.addEventListener("change", () => {
        const others = model.get("value").filter((n) => !part.acting.includes(n));
        if (part.all.checked) part.opened = true;
        choose(part.all.checked ? [...others, ...part.acting] : others, part.head);
      });
    }
    const part = block.families.get(option.family);
    const made = row(option);
    part.rows.push(made);
    part.body.append(made.place);
    part.opened ||= options.length <= FEW || ticked.includes(option.name);
    rows.set(option.name, made);
    made.tick.addEventListener("change", () => {
      const rest = model.get("value").filter((n) => n !== option.name);
      choose(made.tick.checked ? [...rest, option.name] : rest, made.place);
    });
  }

  for (const part of families()) {
    const some = part.rows.some((r) => r.tells);
    part.held.textContent = some ? part.rows.map((r) => r.label).join(", ") : "nothing of this is known here";
  }
  for (const block of bases.values()) {
    block.fold.addEventListener("click", () => {
      block.opened = !block.opened;
      draw();
    });
  }

  const answered = () => {
    list.after(error);
    error.textContent = model.get("error");
    draw();
  };
  search.addEventListener("input", draw);
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target === search) {
      search.value = "";
      draw();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const stops = [search, ...root.querySelectorAll(".fold, .feature input:enabled")].filter(
      (stop) => stop.getClientRects().length);
    const at = stops.indexOf(event.target);
    if (at < 0) return;
    event.preventDefault();
    stops[Math.min(Math.max(at + step, 0), stops.length - 1)].focus();
  });

  const note = model.get("note");
  root.append(element("div", { className: "bar" }, search, only, ask, count, found));
  if (note) root.append(element("div", { className: "note" }, note));
  root.append(same);
  const list = element("div", { className: "list" });
  for (const block of bases.values()) list.append(bases.size > 1 ? block.box : block.body);
  root.append(list, error, codeBlock(code));
  el.append(root);
  const names = ["value", "code", "same", "n_segments", "agreement"];
  const unfollow = follow(model, {
    ...Object.fromEntries(names.map((name) => [`change:${name}`, draw])), "change:answered": answered, "change:error": answered,
  });
  draw();
  const letGo = join(model, root);
  return () => {
    letGo();
    unfollow();
  };
}

export default { render };
