// The page of fettle. It asks the same API as everybody else, and every text it shows is put in as text: what an alert says
// is never read as HTML. The token stands in sessionStorage, goes out as a header, and never into a URL.
"use strict";

const $ = (id) => document.getElementById(id);
const KEY = "fettle.token";
const PAGE = 50;
const STREAMED = 200; // open remediations that the stream tells of; with so many there may be more
const FEW = 30; // of those that wait for nobody, so many are drawn before somebody asks for the rest
const RESULTS = ["succeeded", "failed", "unknown", "refused", "observed", "expired"];

let me = null; // {name, role} of the token, or of nobody where no tokens are configured; null while unknown
let live = null; // the stream's last word: {remediations, pauses, …}
let unfolded = false; // whether all that is open is drawn
let turn = 0; // rises with every view, so that an answer that comes too late shows nothing

// --- Building what is shown -----------------------------------------------------------------------------------------------

/** An element with properties and children; texts become text nodes. */
function el(name, properties, ...children) {
  const it = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") it.className = value;
    else if (key.startsWith("on")) it.addEventListener(key.slice(2), value);
    else it.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    it.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return it;
}

const show = (place, ...children) => place.replaceChildren(...children.flat(Infinity).filter(Boolean));

const LEVEL = {
  healthy: "good", degraded: "warn", unhealthy: "bad", fixed: "good", succeeded: "good", unconfirmed: "warn", cleared: "warn",
  failed: "bad", unknown: "warn", refused: "warn", expired: "warn", escalated: "bad", not_fixed: "bad", still_firing: "bad",
  regressed: "bad", blocked: "warn", awaiting_approval: "warn", open: "bad", half_open: "warn", critical: "bad", warning: "warn",
  HEALTHY: "good", STRESSED: "warn", CRITICAL: "bad",
};

/** A word of fettle's own, coloured; the word itself says what the colour does. */
const word = (text) => (text ? el("span", { class: `word ${LEVEL[text] || ""}` }, text.replaceAll("_", " ")) : "");

/** A name that people chose: it may be broken anywhere, where words may not. */
const name = (text) => el("span", { class: "name" }, text);

/** A word, and what it is about. */
const about = (text, more) => [word(text), more ? [": ", /^[a-z_]+$/.test(more) ? more.replaceAll("_", " ") : more] : ""];

function age(text) {
  const seconds = Math.round((Date.now() - Date.parse(text)) / 1000);
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => Math.abs(seconds) >= size) || [1, "s"];
  const count = Math.round(Math.abs(seconds) / size);
  return seconds >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`;
}

const when = (text) => (text ? el("time", { datetime: text, title: new Date(text).toLocaleString() }, age(text)) : "");

/** The instant itself, as a clock shows it; with its day where that is not today's. */
function clock(text) {
  const at = new Date(text);
  const today = at.toDateString() === new Date().toDateString();
  return el("span", { class: "clock", title: text }, today ? at.toLocaleTimeString() : at.toLocaleString());
}

const facts = (...pairs) =>
  el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));

const json = (value) => el("pre", {}, JSON.stringify(value, null, 2));

const empty = (value) => value === null || value === undefined || (typeof value === "object" && Object.keys(value).length === 0);

const link = (id, ...children) => el("a", { href: `#/remediations/${id}`, "data-key": `to ${id}` }, ...children);

function table(names, rows) {
  return el("table", {},
    el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, at) => el("td", { "data-name": names[at] }, cell))))));
}

/** How many wait for a person, where a tab shows it. */
function titled(waiting) {
  document.title = waiting ? `(${waiting}) fettle` : "fettle";
}

/** Tells something once, for eyes and for screen readers. */
function say(text, bad) {
  $("said").className = bad ? "problem" : "";
  $("said").textContent = text;
}

// --- Asking --------------------------------------------------------------------------------------------------------------

class Problem extends Error {
  constructor(status, body) {
    super((body && body.detail) || (body && body.title) || `fettle answered ${status}`);
    this.status = status;
    this.body = body || {};
  }
}

function headers(more) {
  const token = sessionStorage.getItem(KEY);
  return { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...more };
}

async function ask(method, path, body) {
  const options = { method, headers: headers(body ? { "Content-Type": "application/json" } : {}), cache: "no-store", redirect: "error" };
  if (body) options.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, { detail: "fettle does not answer" });
  }
  const read = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, read);
  return read;
}

const get = (path, query) => {
  const given = Object.entries(query || {}).filter(([, value]) => value);
  return ask("GET", given.length ? `${path}?${new URLSearchParams(given)}` : path);
};

/** The token is not known any more: it is forgotten, and so is what it showed. */
function turnedAway(problem) {
  if (problem.status !== 401) return false;
  const had = sessionStorage.getItem(KEY) !== null;
  sessionStorage.removeItem(KEY);
  door(had ? "This token is not known here." : "");
  return true;
}

// --- The door ------------------------------------------------------------------------------------------------------------

function door(why) {
  me = null;
  live = null;
  turn += 1;
  show($("view"));
  $("leave").hidden = true;
  $("who").textContent = "";
  titled(0);
  delete document.body.dataset.live;
  $("door").hidden = false;
  $("door-said").textContent = why;
  $("token").value = "";
  if (why) $("token").focus();
}

async function enter() {
  try {
    me = await get("/api/v1/whoami");
  } catch (problem) {
    if (turnedAway(problem)) return;
    if (problem.status === 403 && sessionStorage.getItem(KEY)) {
      sessionStorage.removeItem(KEY);
      door("This token may only send notifications.");
      return;
    }
    door(problem.message);
    return;
  }
  $("door").hidden = true;
  $("leave").hidden = sessionStorage.getItem(KEY) === null;
  $("who").textContent = sessionStorage.getItem(KEY) ? `${me.name} (${me.role})` : "no tokens are configured";
  follow();
  route();
}

const admin = () => me !== null && me.role === "admin";

// --- Health --------------------------------------------------------------------------------------------------------------

async function health() {
  let seen;
  try {
    seen = await get("/api/v1/health");
  } catch (problem) {
    seen = problem.body && problem.body.components ? problem.body : null;
    if (!seen) {
      show($("health-body"), el("p", { class: "problem" }, problem.message));
      return;
    }
  }
  const parts = seen.components;
  const chips = [
    ["database", parts.database.status], ...Object.entries(parts.docker).map(([name, host]) => [`docker ${name}`, host.status]),
    ["disk", parts.disk.status], ["rules", parts.rules.status], ["workers", parts.workers.status],
    ["heartbeat", parts.heartbeat.alertname ? parts.heartbeat.status : "not expected"],
  ];
  const more = [];
  if (parts.storm && parts.storm.active) more.push(el("p", { class: "warn" }, `A storm: ${parts.storm.targets} targets at once; the mode is ${parts.storm.then} until it has been quiet.`));
  if (parts.paused && parts.paused.pauses > 0) more.push(el("p", { class: "warn" }, `Paused: ${parts.paused.pauses} pause${parts.paused.pauses === 1 ? " stands" : "s stand"}.`));
  show($("health-body"),
    el("p", {}, "fettle ", seen.version, " is ", word(seen.status), "."),
    el("ul", { class: "chips" }, chips.map(([name, status]) => el("li", { class: "chip" }, `${name} `, word(status)))),
    seen.issues.map((issue) => el("p", { class: "problem" }, issue)), more);
}

// --- What happens now ----------------------------------------------------------------------------------------------------

let following = null;

/** Follows the stream by fetch, because an EventSource would need the token in its URL. */
async function follow() {
  if (following) following.abort();
  const mine = new AbortController();
  following = mine;
  let pause = 1000;
  while (!mine.signal.aborted && me) {
    try {
      const answer = await fetch("/api/v1/stream", { headers: headers(), signal: mine.signal, cache: "no-store" });
      if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => null));
      pause = 1000;
      await events(answer.body.getReader(), mine);
    } catch (problem) {
      if (mine.signal.aborted) return;
      if (problem instanceof Problem && turnedAway(problem)) return;
    }
    document.body.dataset.live = "no";
    live = null;
    refresh();
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 15000);
  }
}

async function events(reader, mine) {
  const text = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done || mine.signal.aborted) return;
    rest += text.decode(value, { stream: true });
    for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
      const lines = rest.slice(0, end).split("\n");
      rest = rest.slice(end + 2);
      const of = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
      if (of("event") === "open") heard(JSON.parse(of("data")));
      if (of("event") === "away") say("The database does not answer; what is shown may be old.", true);
    }
  }
}

function heard(news) {
  const before = live;
  live = news;
  document.body.dataset.live = "yes";
  const waiting = (it) => it.remediations.filter((one) => one.state === "awaiting_approval").length;
  if (before && waiting(news) > waiting(before)) say("A proposal waits for an answer.");
  if (news.remediations.length < STREAMED) titled(waiting(news));
  refresh();
}

/** Draws the current view again, unless somebody is in the middle of writing something there. */
function refresh() {
  const at = document.activeElement;
  if (at && $("view").contains(at) && ["INPUT", "SELECT"].includes(at.tagName)) return;
  const key = at && $("view").contains(at) ? at.getAttribute("data-key") : null;
  const open = [...$("view").querySelectorAll("details[open]")].map((it) => it.dataset.fold);
  const mine = turn + 1;
  Promise.resolve(route(true)).then(() => {
    if (mine !== turn) return;
    for (const it of $("view").querySelectorAll("details")) it.open = open.includes(it.dataset.fold);
    const again = key && $("view").querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (again) again.focus();
  });
}

// --- Views ---------------------------------------------------------------------------------------------------------------

const button = (key, kind, text, act) => el("button", { type: "button", class: kind, "data-key": key, onclick: act }, text);

function summary(it) {
  const waits = it.state === "awaiting_approval";
  return el("article", { "data-id": it.id },
    el("h3", {}, link(it.id, it.target)),
    facts(["State", about(it.state, it.reason)], ["Rule", it.rule], ["Alert", [it.alertname, it.severity ? ` (${it.severity})` : ""]],
      ["Opened", when(it.opened_at)], [waits ? "Expires" : "Next", when(it.due_at)], ["Done", it.actions ? `${it.actions} action${it.actions === 1 ? "" : "s"}` : ""]),
    admin() && el("p", { class: "buttons" },
      waits && button(`approve ${it.id}`, "", "Look and approve…", () => answer(it.id, "approve")),
      waits && button(`reject ${it.id}`, "danger", "Reject…", () => answer(it.id, "reject")),
      button(`cancel ${it.id}`, "quiet", "Cancel…", () => answer(it.id, "cancel"))));
}

async function now(place, mine) {
  const [pauses, actions] = await Promise.all([get("/api/v1/pause"), get("/api/v1/actions", { limit: 10 })]);
  const open = live ? live.remediations : await get("/api/v1/remediations", { state: "open", limit: STREAMED });
  const more = open.length >= STREAMED;
  // What waits for a person must not be cut off by what does not.
  const waiting = more ? await get("/api/v1/remediations", { state: "awaiting_approval", limit: 1000 }) : open.filter((it) => it.state === "awaiting_approval");
  if (mine !== turn) return;
  titled(waiting.length);
  const rest = open.filter((it) => it.state !== "awaiting_approval");
  const drawn = unfolded ? rest : rest.slice(0, FEW);
  show(place,
    el("section", { "aria-labelledby": "open-title" },
      el("h2", { id: "open-title" }, `Open (${open.length}${more ? " or more" : ""})`),
      open.length === 0 && el("p", { class: "muted" }, "Nothing is wrong that fettle knows of, or nothing it has a rule for."),
      more && el("p", { class: "warn" }, `The newest ${STREAMED} are here, and all that wait for a person. `, el("code", {}, "fettle remediations --state open"), " lists everything."),
      waiting.map(summary), drawn.map(summary),
      drawn.length < rest.length && el("p", { class: "buttons" },
        button("unfold", "quiet", `Show ${rest.length - drawn.length} more`, () => { unfolded = true; route(true); }))),
    el("section", { "aria-labelledby": "pauses-title" },
      el("h2", { id: "pauses-title" }, "Pauses"),
      pauses.length === 0 && el("p", { class: "muted" }, "Nothing is paused."),
      pauses.map((it) => el("article", {},
        el("h3", {}, it.scope === "all" ? "Everything" : [el("span", { class: "muted" }, `${it.scope} `), it.rule || it.target]),
        facts(["Why", it.reason], ["By", it.by], ["Since", when(it.at)], ["Until", it.until ? when(it.until) : "somebody resumes"]),
        admin() && el("p", { class: "buttons" }, button(`resume ${it.id}`, "", "Resume…", () => resume(it))))),
      admin() && el("p", { class: "buttons" }, button("pause", "quiet", "Pause…", () => pause()), button("heal", "quiet", "Look again at what fires…", () => heal()))),
    el("section", { "aria-labelledby": "last-title" },
      el("h2", { id: "last-title" }, "Last in the audit"), rows(actions), el("p", {}, el("a", { href: "#/audit" }, "The whole audit"))));
}

const rows = (actions, nothing) => actions.length === 0 ? el("p", { class: "muted" }, nothing || "Nothing yet.") : table(
  ["When", "Action", "Target", "Rule", "Result", "Verdict", "By"],
  actions.map((it) => [when(it.at), link(it.remediation_id, it.action), name(it.target), name(it.rule), about(it.result || "under way", it.reason), word(it.verdict), name(it.actor)]));

const filters = { rule: "", target: "", result: "" };
let pages = [""]; // the `after` of every page that was turned to

async function audit(place, mine) {
  const found = await get("/api/v1/actions", { ...filters, after: pages[pages.length - 1], limit: PAGE });
  if (mine !== turn) return;
  const field = (name, label) => el("div", {}, el("label", { for: `by-${name}` }, label), el("input", { id: `by-${name}`, name, value: filters[name], autocomplete: "off" }));
  const form = el("form", { class: "filters", onsubmit: (event) => {
    event.preventDefault();
    for (const name of Object.keys(filters)) filters[name] = form.elements[name].value.trim();
    pages = [""];
    route();
  } },
  field("rule", "Rule"), field("target", "Target"),
  el("div", {}, el("label", { for: "by-result" }, "Result"), el("select", { id: "by-result", name: "result" },
    el("option", { value: "" }, "any"), RESULTS.map((it) => el("option", { value: it, selected: it === filters.result }, it)))),
  el("button", { type: "submit" }, "Filter"));
  const last = found[found.length - 1];
  show(place, el("section", { "aria-labelledby": "audit-title" },
    el("h2", { id: "audit-title" }, "Audit"), form, rows(found, Object.values(filters).some(Boolean) ? "Nothing fits these filters." : ""),
    el("p", { class: "buttons" },
      pages.length > 1 && button("newer", "quiet", "Newer", () => { pages.pop(); route(); }),
      found.length === PAGE && button("older", "quiet", "Older", () => { pages.push(last.id); route(); }))));
}

async function rules(place, mine) {
  const [all, left, breakers] = await Promise.all([get("/api/v1/rules"), get("/api/v1/budgets"), get("/api/v1/breakers")]);
  if (mine !== turn) return;
  const scopes = { rule_target: "per target", rule: "all targets", target: "any one target", fleet: "everything" };
  const budgets = (rule) => left.filter((it) => it.rule === rule).map((it) => el("li", { class: "chip" }, `${scopes[it.scope] || it.scope}: `, el("span", { class: it.remaining === 0 ? "word bad" : "word" }, it.remaining), " left"));
  const breaker = (rule) => breakers.find((it) => it.rule === rule);
  show(place, el("section", { "aria-labelledby": "rules-title" },
    el("h2", { id: "rules-title" }, `Rules (${all.length})`),
    el("p", {}, "All rules together:"), el("ul", { class: "chips" }, budgets(null)),
    all.map((it) => {
      const stands = breaker(it.name);
      return el("article", {},
        el("h3", {}, it.name),
        facts(["Matches", it.match.join(" and ")], ["Does", it.steps.map((step) => step.action).join(", then ")], ["Mode", it.mode], ["Owner", it.owner],
          ["Budget", [...it.budget, ...it.rule_budget].join(", ")], ["Breaker", stands ? [word(stands.state), stands.half_open_at ? [" tries again ", when(stands.half_open_at)] : ""] : "closed"], ["From", it.source]),
        el("ul", { class: "chips" }, budgets(it.name)),
        it.warnings.length > 0 && el("ul", {}, it.warnings.map((found) => el("li", {},
          word("warning"), ` ${found.message} `, el("code", {}, `${found.file}:${found.line}`), found.help && el("p", { class: "muted" }, found.help)))),
        admin() && el("p", { class: "buttons" },
          button(`pause ${it.name}`, "quiet", "Pause this rule…", () => pause({ rule: it.name })),
          stands && stands.state !== "closed" && button(`reset ${it.name}`, "quiet", "Reset the breaker…", () => reset(it.name))));
    })));
}

async function eventsView(place, mine) {
  const [found, system] = await Promise.all([get("/api/v1/events", { limit: 100 }), get("/api/v1/system").catch(() => null)]);
  if (mine !== turn) return;
  const percent = (value) => (value === null || value === undefined ? "" : `${value} %`);
  show(place,
    system && el("section", { "aria-labelledby": "host-title" }, el("h2", { id: "host-title" }, "This machine"),
      facts(["Host", system.host], ["Status", word(system.status)], ["Processors", percent(system.cpu)], ["Memory", percent(system.ram)], ["Disk", percent(system.disk)])),
    el("section", { "aria-labelledby": "events-title" }, el("h2", { id: "events-title" }, "Events"),
      found.length === 0 ? el("p", { class: "muted" }, "Nothing yet.") : table(["When", "Event", "Severity", "Details"],
        found.map((it) => [when(it.at), it.event, word(it.severity), el("code", {}, JSON.stringify(it.details))]))));
}

/** What is plain is told plainly, the rest as JSON. */
function told(value) {
  const plain = Object.values(value).every((it) => it !== null && typeof it !== "object");
  return plain ? facts(...Object.entries(value).map(([name, it]) => [name, el("code", {}, it)])) : json(value);
}

function proposed(proposal, it) {
  return el("div", {},
    facts(["Action", proposal.action], ["Alert", [it.alertname, it.severity ? ` (${it.severity})` : ""]], ["Rule", it.rule], ["Why asked", proposal.why],
      ["Asked", when(proposal.asked_at)], ["Expires", when(proposal.until)], ["Plan", el("code", { class: "plan" }, proposal.plan)]),
    !empty(proposal.parameters) && [el("h3", {}, "Parameters"), told(proposal.parameters)],
    !empty(proposal.effect) && [el("h3", {}, "What exactly"), told(proposal.effect)]);
}

/** How long ago, and when exactly. */
const dated = (text) => (text ? [when(text), " ", el("span", { class: "muted" }, clock(text))] : "");

async function one(place, mine, id) {
  const it = await get(`/api/v1/remediations/${encodeURIComponent(id)}`);
  if (mine !== turn) return;
  const isOpen = it.state !== "closed";
  const waits = it.proposal !== null && it.proposal !== undefined;
  show(place,
    el("section", { "aria-labelledby": "one-title" },
      el("h2", { id: "one-title" }, it.target),
      facts(["State", about(it.outcome || it.state, it.reason)], ["Rule", it.rule], ["Alert", [it.alertname, it.severity ? ` (${it.severity})` : ""]], ["Opened", dated(it.opened_at)],
        ["Closed", dated(it.closed_at)], ["Next", when(it.due_at)], ["Id", el("code", {}, it.id)]),
      admin() && isOpen && el("p", { class: "buttons" },
        waits && button("approve", "", "Look and approve…", () => answer(id, "approve")),
        waits && button("reject", "danger", "Reject…", () => answer(id, "reject")),
        button("cancel", "quiet", "Cancel…", () => answer(id, "cancel")),
        button("pause-target", "quiet", "Pause this target…", () => pause({ target: it.target })))),
    waits && el("section", { "aria-labelledby": "plan-title" }, el("h2", { id: "plan-title" }, "Proposed"), proposed(it.proposal, it)),
    el("section", { "aria-labelledby": "story-title" }, el("h2", { id: "story-title" }, "What happened"),
      el("ol", { class: "story" }, it.timeline.map((step, at) => el("li", {},
        clock(step.at), el("div", {}, el("span", { class: "word" }, step.what), " ", el("span", { class: "muted" }, step.state.replaceAll("_", " ")),
          !empty(step.detail) && el("details", { "data-fold": `step ${at}` }, el("summary", { "data-key": `fold ${at}` }, "Numbers"), json(step.detail))))))),
    el("section", { "aria-labelledby": "acts-title" }, el("h2", { id: "acts-title" }, "Audit"),
      it.action_rows.length === 0 ? el("p", { class: "muted" }, "Nothing was done.") : it.action_rows.map((row) => el("article", {},
        el("h3", {}, row.action, " ", word(row.result || "under way"), " ", word(row.verdict)),
        facts(["When", dated(row.at)], ["By", row.actor], ["Mode", row.mode], ["Reason", row.reason], ["Took", row.duration_ms === null ? "" : `${row.duration_ms} ms`], ["Error", row.error]),
        !empty(row.detail) && el("details", { "data-fold": row.id }, el("summary", { "data-key": `fold ${row.id}` }, "Details"), json(row.detail))))),
    el("section", { "aria-labelledby": "alerts-title" }, el("h2", { id: "alerts-title" }, "Alerts"),
      it.alerts.length === 0 ? el("p", { class: "muted" }, "None.") : it.alerts.map((alert) => el("article", {},
        el("h3", {}, alert.labels.alertname || "an alert", " ", word(alert.status)),
        facts(...Object.entries(alert.labels).map(([name, value]) => [name, value]), ["Last heard", when(alert.heard_at)])))));
}

const VIEWS = { now, audit, rules, events: eventsView };

/** Shows what the address asks for. */
async function route(again) {
  if (!me) return;
  turn += 1;
  const mine = turn;
  const [, name, id] = (location.hash.slice(1) || "/").split("/");
  const view = name === "" ? "now" : name;
  for (const it of document.querySelectorAll("nav a")) {
    if (it.dataset.view === view) it.setAttribute("aria-current", "page");
    else it.removeAttribute("aria-current");
  }
  try {
    if (view === "remediations" && id) await one($("view"), mine, decodeURIComponent(id));
    else await (VIEWS[view] || now)($("view"), mine);
    if (mine === turn && !again) {
      scrollTo(0, 0);
      if (view !== "now") $("main").focus({ preventScroll: true });
    }
  } catch (problem) {
    if (mine !== turn || turnedAway(problem)) return;
    show($("view"), el("section", {}, el("p", { class: "problem" }, problem.message)));
  }
}

// --- What people answer --------------------------------------------------------------------------------------------------

/** Asks before it acts, and stays with its problem when it is refused. `act` gives the words that are said when it is done. */
function confirmed(title, yes, kind, body, act) {
  const box = $("ask");
  $("ask-title").textContent = title;
  $("ask-yes").textContent = yes;
  $("ask-yes").className = kind;
  $("ask-yes").disabled = false;
  $("ask-said").textContent = "";
  show($("ask-body"), body);
  $("ask-form").onsubmit = async (event) => {
    event.preventDefault();
    $("ask-yes").disabled = true;
    try {
      const done = await act();
      box.close();
      say(done);
      route(true);
      health();
    } catch (problem) {
      if (problem.status === 401) {
        box.close();
        turnedAway(problem);
        return;
      }
      $("ask-said").textContent = problem.message;
      $("ask-yes").disabled = false;
    }
  };
  $("ask-no").onclick = () => box.close();
  if (!box.open) box.showModal();
}

async function answer(id, kind) {
  let it;
  try {
    it = await get(`/api/v1/remediations/${encodeURIComponent(id)}`);
  } catch (problem) {
    if (!turnedAway(problem)) say(problem.message, true);
    return;
  }
  const path = `/api/v1/remediations/${encodeURIComponent(id)}/${kind}`;
  if (kind === "cancel") {
    confirmed(`Cancel ${it.target}?`, "Cancel the remediation", "danger",
      el("p", {}, "fettle stops this effort. What was done stays done; if the alert goes on firing, somebody must see to it."),
      async () => { await ask("POST", path, {}); return `Cancelled: ${it.target}.`; });
    return;
  }
  if (!it.proposal) {
    say("Nothing waits for an answer there any more.", true);
    route(true);
    return;
  }
  const plan = it.proposal.plan;
  const [title, yes, style] = kind === "approve" ? [`Approve ${it.proposal.action} of ${it.target}?`, "Approve this plan", ""] : [`Reject ${it.proposal.action} of ${it.target}?`, "Reject it", "danger"];
  confirmed(title, yes, style, proposed(it.proposal, it), async () => {
    await ask("POST", path, { plan });
    return kind === "approve" ? `Approved: ${it.proposal.action} of ${it.target}.` : `Rejected: ${it.target}.`;
  });
}

function pause(about) {
  const scope = about || {};
  const field = (id, label, more) => [el("label", { for: id }, label), el("input", { id, autocomplete: "off", ...more })];
  const body = el("div", {}, el("p", {}, "Nothing new is begun until somebody resumes, or the time is over. What is under way is finished."),
    field("pause-why", "Why", { required: true, maxlength: 500 }), field("pause-for", "For how long (such as 2h; empty: until somebody resumes)", { maxlength: 20 }));
  confirmed(`Pause ${scope.rule ? `rule ${scope.rule}` : scope.target || "everything"}?`, "Pause", "", body, async () => {
    const length = $("pause-for").value.trim();
    await ask("POST", "/api/v1/pause", { ...scope, reason: $("pause-why").value, ...(length ? { for: length } : {}) });
    return "Paused.";
  });
}

function resume(it) {
  confirmed("Resume?", "Resume", "", facts(["Paused by", it.by], ["Why", it.reason]), async () => {
    await ask("DELETE", `/api/v1/pause/${encodeURIComponent(it.id)}`, {});
    return "Resumed.";
  });
}

function reset(rule) {
  confirmed(`Reset the breaker of ${rule}?`, "Reset", "", el("p", {}, "What the rule could not prove so far counts no more, and it may act again."), async () => {
    await ask("POST", `/api/v1/breakers/${encodeURIComponent(rule)}/reset`, {});
    return `The breaker of ${rule} was reset.`;
  });
}

function heal() {
  confirmed("Look again at what fires?", "Look again", "", el("p", {}, "Every firing alert that no open remediation is about is decided anew, through all guards and budgets."), async () => {
    const done = await ask("POST", "/api/v1/self-heal", {});
    return done.remediations.length === 0 ? "No action needed." : `Opened ${done.remediations.length}.`;
  });
}

// --- Start ---------------------------------------------------------------------------------------------------------------

$("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = $("token").value.trim();
  $("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(token)) {
    $("door-said").textContent = "A token has letters, digits and signs only.";
    return;
  }
  sessionStorage.setItem(KEY, token);
  enter();
});
$("leave").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  if (following) following.abort();
  door("");
  $("token").focus();
});
window.addEventListener("hashchange", () => route());
health();
setInterval(() => {
  if (!document.hidden) health();
  for (const it of document.querySelectorAll("time")) it.textContent = age(it.dateTime);
}, 5000);
enter();
