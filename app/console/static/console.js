// The pages work without this. It keeps them up to date in place, and adds the keyboard.

const EVERY_MS = 2000;
// Looked up each time: an update replaces it.
const say = (text) => { document.getElementById("live").textContent = text; };
let lastAt = "the start";
const pause = document.getElementById("pause");
let isPaused = false;

function isBeingRead() {
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed) return "text is selected";
  if (document.querySelector("dialog[open]")) return "a dialog is open";
  if (document.querySelector("#main :is(input, select, textarea):focus")) return "a form is being filled in";
  if (document.querySelector("#main input:checked[name=id]")) return "rows are selected";
  return null;
}

// Elements with an id are replaced where they differ, unless the pointer or the focus is in them.
function merge(fresh) {
  for (const now of fresh.querySelectorAll("#main [id], #live, .rail .count")) {
    if (now.querySelector("[id]")) continue;
    const old = document.getElementById(now.id);
    if (!old || old.isEqualNode(now) || old.matches(":hover") || old.contains(document.activeElement)) continue;
    const isSelected = old.getAttribute("aria-selected");
    const copy = document.importNode(now, true);
    if (isSelected) copy.setAttribute("aria-selected", isSelected);
    old.replaceWith(copy);
  }
  for (const body of fresh.querySelectorAll("#main tbody")) mergeRows(body);
}

// New rows come in and old ones go where nothing under the pointer moves.
function mergeRows(fresh) {
  const table = fresh.closest("table");
  const old = table && table.id && document.getElementById(table.id)?.tBodies[0];
  if (!old || old.matches(":hover") || old.contains(document.activeElement)) return;
  const ids = (body) => [...body.rows].map((row) => row.id).join();
  if (ids(fresh) !== ids(old)) old.replaceWith(document.importNode(fresh, true));
}

async function update() {
  if (isPaused || document.hidden) return;
  const reason = isBeingRead();
  if (reason) {
    say(`Updates wait while ${reason}`);
    return;
  }
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    merge(new DOMParser().parseFromString(await answer.text(), "text/html"));
    lastAt = new Date().toTimeString().slice(0, 8);
  } catch {
    say(`Live updates paused, last at ${lastAt}`);
  }
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  pause.textContent = isPaused ? "Resume" : "Pause";
  if (isPaused) say("Paused");
  else update();
});
setInterval(update, EVERY_MS);

const theme = document.getElementById("theme");
theme.form.querySelector("button").hidden = true;
theme.addEventListener("change", () => theme.form.requestSubmit());

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask;
  if (question && !confirm(question)) event.preventDefault();
  const what = event.submitter?.dataset.confirm;
  if (!what) return;
  const form = event.target;
  // `form.action` would be the button of that name.
  if (form.getAttribute("action") === "/settings/keys") {
    if (!confirm(`${what} this key? Its holder is refused from now on.`)) event.preventDefault();
    return;
  }
  const chosen = form.querySelectorAll("input[name=id]:checked, input[name=id][type=hidden]").length;
  if (chosen === 0 || !confirm(`${what} ${chosen} ${chosen === 1 ? "job" : "jobs"}?`)) event.preventDefault();
});

let prefix = null;

function move(step) {
  const rows = [...document.querySelectorAll("table.rows tbody tr")];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const next = Math.min(Math.max(at + step, 0), rows.length - 1);
  rows.forEach((row, index) => row.setAttribute("aria-selected", String(index === next)));
  rows[next].scrollIntoView({ block: "nearest" });
}

const selected = () => document.querySelector("table.rows tbody tr[aria-selected=true]");

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  const place = prefix === "g" && document.querySelector(`.rail [data-key="${CSS.escape(event.key)}"]`);
  if (place) place.click();
  else if (event.key === "j") move(1);
  else if (event.key === "k") move(-1);
  else if (event.key === "x") selected()?.querySelector("input[type=checkbox]")?.click();
  else if (event.key === "Enter" && selected() && event.target === document.body) location.assign(selected().dataset.href);
  else if (event.key === "/") {
    const search = document.querySelector("[role=search] input:not([type=hidden], [type=checkbox])");
    if (search) event.preventDefault();
    search?.focus();
  } else if (event.key === "?") document.getElementById("help").showModal();
  prefix = event.key === "g" ? "g" : null;
});
