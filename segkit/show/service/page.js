// The page: the same view as in notebooks, on what the service sends.
import widget from "./live_map.js";

const values = { state: null, paused: false, chosen: "", card: {}, error: "" };
const heard = new Map();

function put(name, value) {
  values[name] = value;
  for (const tell of heard.get(`change:${name}`) || []) tell();
}

async function choose(customer) {
  try {
    const answer = await fetch(`customers/${encodeURIComponent(customer)}`);
    const said = await answer.json();
    if (customer !== values.chosen) return; // another one was pressed meanwhile
    put("card", answer.ok ? said : {});
    put("error", answer.ok ? "" : said.error);
  } catch {
    put("error", `${customer} could not be looked up: the service does not answer.`);
  }
}

const model = {
  get: (name) => values[name],
  set(name, value) {
    put(name, value);
    if (name === "chosen" && value) choose(value);
  },
  save_changes() {}, // what is chosen here stays here
  on: (event, tell) => heard.set(event, (heard.get(event) || new Set()).add(tell)),
  off: (event, tell) => heard.get(event).delete(tell),
};

const theme = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => (document.body.dataset.jpThemeLight = String(!theme.matches));
theme.addEventListener("change", follow);
follow();

const GONE = "The map stands still: the service does not answer. Start `segkit serve` again, and open the address that it prints.";
const AGAIN = 3000; // milliseconds until a service is tried again that refused, perhaps another one by now
let begun = false;

function listen() {
  const stream = new EventSource("map");
  stream.addEventListener("map", (message) => {
    put("state", JSON.parse(message.data));
    put("error", "");
    if (values.chosen) choose(values.chosen);
    if (begun) return;
    begun = true;
    document.getElementById("begin").remove();
    widget.render({ model, el: document.getElementById("map") });
  });
  stream.addEventListener("error", () => {
    if (begun) put("error", GONE);
    else document.getElementById("begin").textContent = GONE;
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
  });
}
listen();
