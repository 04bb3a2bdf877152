// The playground and the live panel of linnet's page. Plain DOM, no dependency; everything it asks for comes from the
// server that sent it, by relative addresses, so that it works behind a path prefix too.

const byId = id => document.getElementById(id);
const TYPING_MS = 200;
const CHUNK = 32; // lines of "Many lines" sent together

let info = null; // /info of the chosen model, once it is loaded
let models = []; // the names, where several are served
let model = ""; // the chosen one's
let base = ""; // before its paths
let task = "";
let view = "single";
let language = "curl";
let lastCall = null; // {path, body}: what the code panel shows
let rows = []; // of "Many lines": {text, labels | embedding}

// --- Asking the server

const addressOf = path => base + path.slice(1) || "./";

async function ask(path, body, signal) {
  let response;
  try {
    response = await fetch(addressOf(path), {
      method: "POST", signal, headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new Error(errorWords(response.status, answer));
  return answer;
}

function errorWords(status, answer) {
  const said = answer && (answer.error?.message ?? answer.error ?? answer.message);
  const words = typeof said === "string" ? said : "The server gave no reason.";
  if (status === 429) return `The server is busy: ${words}`;
  if (status === 413) return `Too long: ${words}`;
  return words;
}

// What POST / takes for one text of this task, or several.
function inferenceBody(inputs) {
  switch (task) {
    case "text-classification": return {inputs, parameters: {top_k: null, truncation: true}};
    case "token-classification": return {inputs, parameters: {aggregation_strategy: "simple"}};
    case "zero-shot-classification": return {inputs, parameters: {candidate_labels: candidates()}};
    default: return {inputs};
  }
}

const candidates = () => byId("single-candidates").value.split(",").map(word => word.trim()).filter(Boolean);
const embeds = () => task === "feature-extraction";
const embedsSparsely = () => task === "sparse-embedding";
const reranks = () => task === "text-classification" && labelNames().length === 1;
const labelNames = () => Object.values(info.model_type?.classifier?.id2label ?? info.model_type?.reranker?.id2label ?? {});

// An answer as a list of {name, score}: whatever the task calls them.
function scored(answer) {
  if (answer?.labels) return answer.labels.map((name, i) => ({name, score: answer.scores[i]}));
  const entries = [answer].flat(2);
  if (embedsSparsely()) return entries.map(({index, value}) => ({name: `token ${index}`, score: value})).sort((a, b) => b.score - a.score);
  return entries.map(entry => ({name: entry.label ?? entry.token_str ?? entry.entity_group, score: entry.score}));
}

// --- Drawing

function element(name, properties = {}, ...children) {
  const node = document.createElement(name);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

function drawn(name, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

const percent = score => score >= 0 && score <= 1 && !embedsSparsely() ? `${(100 * score).toFixed(1)} %` : score.toFixed(4);

function bar(score, most) {
  const image = drawn("svg", {viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true"});
  image.append(drawn("rect", {x: 0, y: 0, height: 10, width: Math.max(0, Math.min(100, 100 * score / most))}));
  return element("span", {className: "track"}, image);
}

function bars(entries) {
  const most = Math.max(1, ...entries.map(entry => entry.score));
  return element("ul", {className: "bars"}, ...entries.slice(0, 50).map(({name, score}) => element("li", {},
    element("span", {className: "name", textContent: name}), bar(score, most),
    element("span", {className: "value", textContent: percent(score)}))));
}

const note = words => element("p", {className: "note", textContent: words});

// Positions count code points, JavaScript's strings UTF-16 units.
function entities(text, answer) {
  const letters = Array.from(text), line = element("p");
  let at = 0;
  for (const entity of answer) {
    line.append(letters.slice(at, entity.start).join(""));
    line.append(element("mark", {title: percent(entity.score)}, letters.slice(entity.start, entity.end).join(""),
      element("small", {textContent: entity.entity_group ?? entity.entity})));
    at = entity.end;
  }
  line.append(letters.slice(at).join(""));
  return line;
}

function embedding(vector) {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return note(`${vector.length} numbers, length ${length.toFixed(4)}: ${vector.slice(0, 8).map(x => x.toFixed(4)).join(", ")}, …`);
}

function present(text, answer) {
  if (embeds()) return embedding(answer[0]);
  if (task === "token-classification") return answer.length ? entities(text, answer) : note("No entity was found.");
  return bars(scored(answer));
}

// --- The views. Each returns the call that it makes first, for the code panel, and draws what comes back.

const callOf = inputs => embeds() ? {path: "/embed", body: {inputs}}
  : embedsSparsely() ? {path: "/embed_sparse", body: {inputs}} : {path: "/", body: inferenceBody(inputs)};

async function runSingle(signal) {
  const text = byId("single-text").value, pair = byId("single-pair").value;
  const call = callOf(pair ? {text, text_pair: pair} : text);
  show(call);
  if (!text) return byId("single-result").replaceChildren();
  byId("single-result").replaceChildren(present(text, await ask(call.path, call.body, signal)));
}

async function runCompare(signal) {
  const left = byId("compare-left").value, right = byId("compare-right").value;
  if (embeds()) {
    const call = {path: "/similarity", body: {inputs: {source_sentence: left, sentences: [right]}}};
    show(call);
    if (!left || !right) return byId("compare-result").replaceChildren();
    const [score] = await ask(call.path, call.body, signal);
    byId("compare-result").replaceChildren(bars([{name: "cosine similarity", score}]));
    return;
  }
  show(callOf(left));
  for (const [side, text] of [["left", left], ["right", right]]) {
    const call = callOf(text), place = byId(`compare-${side}-result`);
    place.replaceChildren(...(text ? [present(text, await ask(call.path, call.body, signal))] : []));
  }
}

const lines = id => byId(id).value.split("\n").map(line => line.trim()).filter(Boolean);

async function runRank(signal) {
  const query = byId("rank-query").value, texts = lines("rank-texts");
  const call = embeds() ? {path: "/similarity", body: {inputs: {source_sentence: query, sentences: texts}}}
    : {path: "/rerank", body: {query, texts, truncate: true}};
  show(call);
  if (!query || !texts.length) return byId("rank-result").replaceChildren();
  const answer = await ask(call.path, call.body, signal);
  const ranked = embeds() ? answer.map((score, index) => ({index, score})) : answer;
  ranked.sort((a, b) => b.score - a.score);
  byId("rank-result").replaceChildren(bars(ranked.map(({index, score}) => ({name: texts[index], score}))));
}

let many = null; // another model ends it: its rows are of one

async function runMany() {
  many = new AbortController();
  const texts = lines("many-texts"), {signal} = many;
  rows = [];
  byId("many-run").disabled = true;
  try {
    for (let begin = 0; begin < texts.length; begin += CHUNK) {
      const chunk = texts.slice(begin, begin + CHUNK), call = callOf(chunk);
      if (begin === 0) show(call);
      const answer = await ask(call.path, call.body, signal);
      // The pipeline's words for the masks of one text come without the list of texts.
      const answers = task === "fill-mask" && chunk.length === 1 ? [answer] : answer;
      chunk.forEach((text, i) => rows.push(embeds() ? {text, embedding: answers[i]}
        : {text, labels: answers[i] ? scored(answers[i]) : []}));
      byId("many-state").textContent = `${rows.length} of ${texts.length}`;
    }
  } finally {
    byId("many-run").disabled = false;
    byId("many-csv").disabled = byId("many-json").disabled = rows.length === 0;
    drawTable();
  }
}

function drawTable() {
  const head = embeds() ? ["text", "numbers"] : ["text", "best", "score", "others"];
  const body = rows.map(row => element("tr", {}, ...cellsOf(row).map(cell =>
    element("td", {textContent: cell, className: /^-?[\d.]+( %)?$/.test(cell) ? "number" : ""}))));
  byId("many-result").replaceChildren(...(rows.length ? [element("table", {},
    element("thead", {}, element("tr", {}, ...head.map(name => element("th", {scope: "col", textContent: name})))),
    element("tbody", {}, ...body))] : []));
}

function cellsOf({text, labels, embedding: vector}) {
  if (vector) return [text, `${vector.slice(0, 4).map(x => x.toFixed(4)).join(", ")}, … (${vector.length})`];
  const [best, ...others] = labels;
  return [text, best?.name ?? "none", best ? percent(best.score) : "",
    others.slice(0, 4).map(({name, score}) => `${name} ${percent(score)}`).join(", ")];
}

function save(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], {type}));
  element("a", {href: address, download: name}).click();
  URL.revokeObjectURL(address);
}

const quoted = cell => `"${String(cell).replaceAll('"', '""')}"`;

function csv() {
  const lines = rows.map(({text, labels, embedding: vector}) => vector ? [text, ...vector]
    : [text, labels[0]?.name ?? "", labels[0]?.score ?? ""]);
  const head = embeds() ? ["text"] : ["text", "label", "score"];
  return [head, ...lines].map(line => line.map(quoted).join(",")).join("\r\n") + "\r\n";
}

// --- The same call in other words

function show(call) {
  lastCall = call;
  byId("call").textContent = samples[language](new URL(addressOf(call.path), document.baseURI).href, call.body);
}

const indented = value => JSON.stringify(value, null, 2);

function python(value, indent = "") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = `${indent}    `;
  const parts = Array.isArray(value) ? value.map(item => python(item, inner))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return parts.length ? `${open}\n${parts.map(part => inner + part).join(",\n")},\n${indent}${close}` : open + close;
}

// Where the server wants one, KEY stands for it.
const withKey = words => info?.linnet?.wants_key ? words : "";

const samples = {
  curl: (address, body) =>
    `curl ${address} \\\n${withKey("  -H 'Authorization: Bearer KEY' \\\n")}  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`,
  python: (address, body) =>
    `import requests\n\nresponse = requests.post(${JSON.stringify(address)}, ${withKey('headers={"Authorization": "Bearer KEY"}, ')}json=${python(body)})\n` +
    "response.raise_for_status()\nprint(response.json())",
  js: (address, body) =>
    `const response = await fetch(${JSON.stringify(address)}, {\n  method: "POST",\n` +
    `  headers: {${withKey('"Authorization": "Bearer KEY", ')}"Content-Type": "application/json"},\n  body: JSON.stringify(${indented(body).replaceAll("\n", "\n  ")}),\n});\n` +
    "console.log(await response.json());",
};

async function copy() {
  try {
    await navigator.clipboard.writeText(byId("call").textContent);
    byId("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(byId("call"));
    byId("copied").textContent = "Selected: press Ctrl+C.";
  }
}

// --- Typing and tabs

let timer = 0, running = null;

function problem(words) {
  byId("problem").textContent = words;
  byId("problem").hidden = !words;
}

async function run(view_function) {
  running?.abort();
  if (!info) return;
  const mine = running = new AbortController();
  try {
    await view_function(mine.signal);
    if (running === mine) problem("");
  } catch (error) {
    if (error.name !== "AbortError") problem(error.message);
  }
}

const views = {single: runSingle, compare: runCompare, rank: runRank};

function typed() {
  clearTimeout(timer);
  if (views[view]) timer = setTimeout(() => run(views[view]), TYPING_MS);
}

// One tab of a list is selected and in the tab order; arrows go to its neighbours.
function makeTabs(ids, choose) {
  const tabs = ids.map(byId);
  const select = tab => {
    for (const other of tabs) {
      other.setAttribute("aria-selected", other === tab);
      other.tabIndex = other === tab ? 0 : -1;
    }
    choose(tab.id.replace("tab-", ""));
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", event => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (!step) return;
      const shown = tabs.filter(other => !other.hidden);
      const next = shown[(shown.indexOf(tab) + step + shown.length) % shown.length];
      next.focus();
      select(next);
    });
  }
  // What is selected stays so while it is shown.
  return () => select(tabs.find(tab => !tab.hidden && tab.tabIndex === 0 && tab.hasAttribute("aria-selected")) ?? tabs.find(tab => !tab.hidden));
}

function chooseView(name) {
  view = name;
  for (const panel of ["single", "compare", "rank", "many"]) byId(`panel-${panel}`).hidden = panel !== name;
  if (info) problem("");
  typed();
}

function chooseLanguage(name) {
  language = name;
  byId("panel-call").setAttribute("aria-labelledby", `tab-${name}`);
  byId("copied").textContent = "";
  if (lastCall) show(lastCall);
}

// --- What is running

const examples = {
  "text-classification": "I love you. I like you. I am your friend.",
  "token-classification": "Ada Lovelace was born in London and worked with Charles Babbage.",
  "zero-shot-classification": "The train to Vienna leaves at nine from platform two.",
  "fill-mask": "The capital of France is [MASK].",
  "feature-extraction": "A small bird sings in the hedge.",
  "sparse-embedding": "A small bird sings in the hedge.",
};

function drawFacts() {
  const own = info.linnet ?? {};
  const facts = {model: own.name ?? info.model_id, task, precision: own.precision, "kernels": own.isa, engine: own.engine,
    parameters: own.parameters ? `${(own.parameters / 1e6).toFixed(1)} M` : undefined};
  byId("facts").replaceChildren(...Object.entries(facts).filter(([, value]) => value).map(([name, value]) =>
    element("div", {}, element("dt", {textContent: name}), element("dd", {textContent: value}))));
  document.title = `linnet: ${own.name ?? info.model_id}`;
}

function fitToTask() {
  byId("candidates-row").hidden = task !== "zero-shot-classification";
  byId("pair-row").hidden = task !== "text-classification";
  byId("tab-rank").hidden = !(embeds() || reranks());
  byId("tab-compare").hidden = task === "fill-mask";
}

function clearResults() {
  for (const place of ["single", "compare-left", "compare-right", "compare", "rank", "many"]) byId(`${place}-result`).replaceChildren();
  rows = [];
  byId("many-state").textContent = "";
  byId("many-csv").disabled = byId("many-json").disabled = true;
}

function fillExamples() {
  byId("single-text").value = (examples[task] ?? "").replace("[MASK]", info.linnet?.mask_token ?? "[MASK]");
  byId("compare-left").value = "I love this little bird.";
  byId("compare-right").value = "I am tired of this noise.";
  byId("rank-query").value = "Which bird sings?";
  byId("rank-texts").value = "The linnet is known for its song.\nThe train leaves at nine.\nA finch ate all the seeds.";
  byId("many-texts").value = "I love this little bird.\nIt rained all week.\nThe film was dull and far too long.";
}

// Texts stay where the next model does the same with them.
function take(answer) {
  const before = task;
  info = answer;
  task = info.linnet?.task ?? "";
  drawFacts();
  fitToTask();
  clearResults();
  if (task !== before) fillExamples();
  problem("");
}

async function refusal(response) {
  return errorWords(response.status, await response.json().catch(() => null));
}

let selectTab = null;

async function chooseModel(name) {
  running?.abort();
  many?.abort();
  info = null;
  model = name;
  base = `models/${encodeURIComponent(name)}/`;
  byId("model").value = name;
  byId("live-model").textContent = `: ${name}`;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  if (samplesTaken.length > 1) drawLive();
  try {
    const response = await fetch(addressOf("/info"));
    const words = response.ok ? "" : await refusal(response), answer = response.ok ? await response.json() : null;
    if (model !== name) return;
    if (!answer) throw new Error(words);
    take(answer);
    selectTab?.();
  } catch (error) {
    if (model !== name) return;
    byId("facts").replaceChildren();
    clearResults();
    problem(error instanceof TypeError ? "The server does not answer. Is it still running?" : error.message);
  }
}

/** What the address has after its #; nothing where that is no name: anyone may write an address. */
function nameInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

async function offerModels() {
  models = info.linnet?.models ?? [];
  if (models.length < 2) return;
  byId("model").replaceChildren(...models.map(name => element("option", {value: name, textContent: name})));
  byId("model").addEventListener("change", () => chooseModel(byId("model").value));
  byId("model-row").hidden = false;
  const asked = nameInAddress();
  await chooseModel(models.includes(asked) ? asked : info.linnet.name);
}

async function start() {
  for (;;) {
    try {
      const response = await fetch("info");
      if (response.ok) {
        take(await response.json());
        break;
      }
      problem(response.status === 503 ? "The model is loading…" : `The server refused /info with status ${response.status}.`);
    } catch {
      problem("The server does not answer. Is it still running?");
    }
    await new Promise(done => setTimeout(done, 1000));
  }
  await offerModels();
  makeTabs(["tab-curl", "tab-python", "tab-js"], chooseLanguage)();
  selectTab = makeTabs(["tab-single", "tab-compare", "tab-rank", "tab-many"], chooseView);
  selectTab();
  byId("work").addEventListener("input", typed);
  byId("many-run").addEventListener("click", () => run(runMany));
  byId("many-csv").addEventListener("click", () => save("linnet.csv", "text/csv", csv()));
  byId("many-json").addEventListener("click", () => save("linnet.json", "application/json", indented(rows)));
  byId("copy").addEventListener("click", copy);
}

// --- The live panel

const WINDOW_MS = 10000, EVERY_MS = 2000, KEPT_RATES = 60;
const samplesTaken = [], rates = new Map(); // of each model

// Prometheus' text format: name{label="value",...} number
function* readMetrics(text) {
  for (const line of text.split("\n")) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match) yield {name: match[1], labels: Object.fromEntries([...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(m => [m[1], m[2]])),
      value: Number(match[3])};
  }
}

// Without a label "model" there is one, called "".
function sample(text) {
  const taken = {time: performance.now(), memory: 0, models: new Map()};
  const add = (labels, key, value) => {
    const name = labels.model ?? "";
    if (!taken.models.has(name)) taken.models.set(name, {requests: 0, tokens: 0, texts: 0, batches: 0, waiting: 0, buckets: new Map()});
    taken.models.get(name)[key] += value;
    return taken.models.get(name);
  };
  for (const {name, labels, value} of readMetrics(text)) {
    if (name === "te_request_success" || name === "te_request_failure") add(labels, "requests", value);
    if (name === "te_request_duration_bucket") add(labels, "requests", 0).buckets.set(labels.le, value);
    if (name === "linnet_tokens_total") add(labels, "tokens", value).isLoaded = true;
    if (name === "linnet_batch_items_sum") add(labels, "texts", value);
    if (name === "linnet_batch_items_count") add(labels, "batches", value);
    if (name === "linnet_queue_requests") add(labels, "waiting", value);
    if (name === "process_resident_memory_bytes") taken.memory = value;
  }
  return taken;
}

// Seconds below which `share` of the requests between two samples stayed: linear within a bucket.
function quantile(from, to, share) {
  const counts = [...to.buckets].map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count - (from.buckets.get(bound) ?? 0)])
    .sort((a, b) => a[0] - b[0]);
  const wanted = share * (counts.at(-1)?.[1] ?? 0);
  if (!(wanted > 0)) return null;
  let below = 0, reached = 0;
  for (const [bound, count] of counts) {
    if (count >= wanted) return bound === Infinity ? below : below + (bound - below) * (wanted - reached) / (count - reached);
    below = bound;
    reached = count;
  }
  return below;
}

const seconds = value => value === null ? "–" : value < 0.0995 ? `${(1000 * value).toFixed(1)} ms` : `${(1000 * value).toFixed(0)} ms`;

// What a model did between two samples, in words.
function figures(name, from, to) {
  const a = from.models.get(name), b = to.models.get(name), duration = (to.time - from.time) / 1000;
  if (!a || !b?.isLoaded) return {rate: "–", p50: "–", p95: "–", p99: "–", batch: "–", queue: "–", tokens: "–", number: 0};
  const rate = duration > 0 ? (b.requests - a.requests) / duration : 0, batches = b.batches - a.batches;
  return {
    number: rate, rate: rate.toFixed(1), p50: seconds(quantile(a, b, 0.5)), p95: seconds(quantile(a, b, 0.95)),
    p99: seconds(quantile(a, b, 0.99)), batch: batches > 0 ? ((b.texts - a.texts) / batches).toFixed(1) : "–",
    queue: String(b.waiting), tokens: duration > 0 ? ((b.tokens - a.tokens) / duration).toFixed(0) : "0",
  };
}

function drawModels(from, to) {
  const head = ["model", "requests/s", "p50", "p99", "tokens/s", "waiting"];
  const row = name => {
    const {rate, p50, p99, tokens, queue} = figures(name, from, to);
    return element("tr", {}, element("th", {scope: "row", textContent: name}),
      ...[rate, p50, p99, tokens, queue].map(value => element("td", {className: "number", textContent: value})));
  };
  byId("live-models").hidden = false;
  byId("live-models").replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, ...head.map(name => element("th", {scope: "col", textContent: name})))),
    element("tbody", {}, ...models.map(row))));
}

function noteRates(from, to) {
  for (const name of to.models.keys()) {
    const kept = rates.get(name) ?? rates.set(name, []).get(name);
    kept.push(figures(name, from, to).number);
    if (kept.length > KEPT_RATES) kept.shift();
  }
}

function drawLive() {
  const from = samplesTaken[0], to = samplesTaken.at(-1), {number, ...values} = figures(model, from, to);
  values.memory = `${(to.memory / 2 ** 20).toFixed(0)} MiB`;
  for (const [name, value] of Object.entries(values)) byId(`live-${name}`).textContent = value;
  const shown = rates.get(model) ?? [], most = Math.max(1, ...shown);
  const path = shown.map((value, i) => `${i ? "L" : "M"}${600 - 10 * (shown.length - 1 - i)} ${76 - 72 * value / most}`).join("");
  byId("spark").replaceChildren(drawn("path", {d: path}));
  if (models.length > 1) drawModels(from, to);
}

async function watch() {
  const usual = byId("live-state").textContent;
  for (;;) {
    if (!document.hidden) {
      try {
        const response = await fetch("metrics");
        if (!response.ok) throw new Error();
        samplesTaken.push(sample(await response.text()));
        while (samplesTaken.length > 2 && samplesTaken[0].time < samplesTaken.at(-1).time - WINDOW_MS) samplesTaken.shift();
        noteRates(samplesTaken[0], samplesTaken.at(-1));
        drawLive();
        if (byId("live-state").textContent !== usual) byId("live-state").textContent = usual;
      } catch {
        byId("live-state").textContent = "The server does not answer; trying again.";
      }
    }
    await new Promise(done => setTimeout(done, EVERY_MS));
  }
}

start();
watch();
