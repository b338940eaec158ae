// The view of segments as cards.

function render({ model, el }) {
  const list = element("div", { className: "list" });
  const notes = element("div", { className: "notes" });
  const badge = element("span", { className: "badge" });
  const kind = element("p", { className: "kind" });
  const test = element("button", { type: "button" });
  const error = errorLine("status");
  const code = element("pre");

  const ask = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  test.addEventListener("click", () => {
    test.disabled = true;
    test.textContent = "Testing, for some seconds …";
    ask("wanted_test", true);
  });

  const measure = (label, said, share, color) => {
    const bar = element("i");
    bar.style.width = `${100 * share}%`;
    bar.style.background = color;
    return element("div", { className: "measure" }, element("span", {}, label), element("span", {}, said), bar);
  };

  const difference = (row) => {
    const width = Math.min(Math.abs(row.effect) / 2, 1) * 50;
    const fill = element("i");
    fill.style.width = `${width}%`;
    fill.style.left = row.effect < 0 ? `${50 - width}%` : "50%";
    fill.style.background = row.effect < 0 ? "#0072B2" : "#E69F00";
    const said = `Cohen's d ${row.effect.toFixed(2)}`;
    const bar = element("div", { className: "bar", title: said }, fill);
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", said);
    const unit = element("span", { className: "unit" }, row.unit ? ` (${row.unit})` : "");
    return element("tr", {}, element("td", {}, row.feature, unit), element("td", {}, bar),
      element("td", {}, row.inside), element("td", {}, row.others));
  };

  const table = (className, heads, rows) =>
    element("table", { className },
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows));

  const people = (card) => {
    const { columns, rows } = card.people;
    const lines = rows.map(([who, role, near, ...values]) =>
      element("tr", {}, element("td", {}, who), element("td", {}, role + (role === "borderline" && near ? `, near ${near}` : "")),
        ...values.map((value) => element("td", {}, value))));
    const scroll = element("div", { className: "scroll", tabIndex: 0 }, table("people", ["Customer", "Role", ...columns], lines));
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `Typical and borderline customers of ${card.name}`);
    return scroll;
  };

  // The name, or the field to write another; Enter and leaving keep what was written, Escape does not.
  let drawing = false; // fields are taken away, and Chromium says that they were left
  const title = (card, written) => {
    const name = element("h4", {}, card.name);
    if (!card.given) name.append(element("span", { title: "a suggested name" }, "*"));
    const keep = element("button", { type: "button" }, "Keep name");
    keep.setAttribute("aria-label", `Keep the name ${card.name}`);
    keep.addEventListener("click", () => ask("wanted_names", { [card.id]: card.name }));
    const rename = element("button", { type: "button" }, "Rename");
    rename.setAttribute("aria-label", `Rename ${card.name}`);
    const fieldOf = (value) => {
      const field = element("input", { type: "text", value, spellcheck: false });
      field.setAttribute("aria-label", `Name of ${card.name}`);
      field.addEventListener("input", () => { field.dataset.typed = ""; });
      let done = false;
      const end = (keeps) => {
        if (done || drawing) return;
        done = true;
        const focused = field.matches(":focus");
        field.replaceWith(name);
        if (focused) rename.focus();
        if (keeps && field.value !== card.name) ask("wanted_names", { [card.id]: field.value });
      };
      field.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== "Escape") return;
        event.preventDefault(); // else Enter presses "Rename" as well, which has the focus then
        end(event.key === "Enter");
      });
      field.addEventListener("blur", () => end(true));
      return field;
    };
    rename.addEventListener("click", () => {
      const field = fieldOf(card.name);
      name.replaceWith(field);
      field.select();
    });
    return element("header", {}, dot(card.color), written === undefined ? name : fieldOf(written ?? card.name), ...(card.given ? [] : [keep]), rename);
  };

  const facts = (lines) =>
    element("dl", {}, ...lines.flatMap(([label, words, tag]) => [
      element("dt", {}, label),
      element("dd", {}, words, ...(tag ? [" ", element("span", { className: "tag" }, tag)] : [])),
    ]));

  const folded = (title, open, part) => {
    const made = element("details", { open: open.has(title) }, element("summary", {}, title), part);
    made.dataset.title = title;
    return made;
  };

  const drawn = (card, open, written) => {
    const choose = element("button", { type: "button", className: "choose" }, "Choose");
    choose.setAttribute("aria-label", `Choose ${card.name}`);
    choose.addEventListener("click", () => ask("chosen", model.get("chosen") === card.id ? null : card.id));
    const made = element("article", { className: "card" }, title(card, written),
      ...(card.sentence ? [element("p", {}, card.sentence)] : []),
      ...(card.size ? [measure(card.size, card.share_said, card.share, card.color)] : []),
      ...(card.value_said ? [measure(model.get("value_name"), card.value_said, card.value_share, card.color)] : []),
      ...(card.apart.length ? [table("apart", ["Sets them apart", "Difference", "Here", "Others"], card.apart.map(difference))] : []),
      ...(card.lines.length ? [facts(card.lines)] : []),
      ...(card.play.length ? [folded("What to do, and why", open, facts(card.play))] : []),
      ...(card.people.rows.length ? [folded("Typical and borderline customers", open, people(card))] : []), choose);
    made.dataset.id = card.id;
    made.setAttribute("aria-label", card.name);
    return made;
  };

  const drawChosen = () => {
    for (const card of list.children) {
      const chosen = Number(card.dataset.id) === model.get("chosen");
      card.classList.toggle("chosen", chosen);
      const button = card.querySelector(".choose");
      button.setAttribute("aria-pressed", chosen);
      button.textContent = chosen ? "Chosen" : "Choose";
    }
  };

  const drawCards = () => {
    const open = (id) => new Set([...list.querySelectorAll(`article[data-id="${id}"] details[open]`)].map((part) => part.dataset.title));
    const held = list.querySelector("article:focus-within"), id = held?.dataset.id;
    const at = held ? [...held.querySelectorAll("button, input, summary")].findIndex((part) => part.matches(":focus")) : -1;
    const written = new Map([...list.querySelectorAll("header input")].map((field) => [Number(field.closest("article").dataset.id), "typed" in field.dataset ? field.value : null]));
    drawing = true;
    list.replaceChildren(...model.get("cards").map((card) => drawn(card, open(card.id), written.get(card.id))));
    drawing = false;
    drawChosen();
    const again = [...list.children].find((card) => card.dataset.id === id);
    if (again && at >= 0) [...again.querySelectorAll("button, input, summary")].at(at)?.focus({ preventScroll: true });
  };

  const drawWords = () => {
    notes.replaceChildren(...model.get("notes").map((note) => element("p", { className: "count" }, note)));
    badge.textContent = model.get("badge");
    kind.textContent = model.get("kind_sentence");
    error.textContent = model.get("error");
    code.textContent = model.get("code");
    test.hidden = model.get("tested");
    test.disabled = model.get("wanted_test");
    if (!test.disabled) test.textContent = "Test how far to trust each segment";
  };

  const root = element("div", { className: "segkit cards" },
    element("div", { className: "top" }, badge, test), kind, error, list, notes,
    codeBlock(code));
  el.append(root);
  const draws = {
    "change:cards": drawCards, "change:value_name": drawCards, "change:chosen": drawChosen,
    "change:notes": drawWords, "change:badge": drawWords, "change:kind_sentence": drawWords, "change:error": drawWords,
    "change:code": drawWords, "change:tested": drawWords, "change:wanted_test": drawWords,
  };
  const unfollow = follow(model, draws);
  drawCards();
  drawWords();
  const letGo = join(model, root);
  return () => {
    letGo();
    unfollow();
  };
}

export default { render };
