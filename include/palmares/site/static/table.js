"use strict";
// The leaderboard's table: sorting, columns, filters and search; what is chosen is in the page's address.

const words = JSON.parse(document.getElementById("words").textContent);
const holder = document.getElementById("table");
const form = document.getElementById("filters");
const count = document.getElementById("count");
const HIDDEN_AT_FIRST = ["type", "license", "architecture", "likes", "chat", "gpu_hours", "carbon", "submitted", "evaluated", "base_model"];
const FIELDS = { license: "license", licence: "license", type: "type", precision: "precision", architecture: "architecture",
  arch: "architecture", org: "organisation", organisation: "organisation", organization: "organisation", base: "base_model",
  revision: "revision", sha: "revision" };
const ONE_WORD = new Set(["license", "precision", "revision"]);
const FIELD = new RegExp("@?\\b(" + Object.keys(FIELDS).join("|") + ")\\s*:\\s*", "i");

function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim().split(/\s+/).join(" ");
}

// The same reading as `Search.parse` of the API: names and fields in any order, parted by semicolons.
function parseSearch(text) {
  const names = [], fields = {};
  for (const part of text.split(";")) {
    const pieces = part.split(FIELD);
    names.push(fold(pieces[0]));
    for (let i = 1; i < pieces.length; i += 2) {
      const key = FIELDS[pieces[i].toLowerCase()];
      let value = pieces[i + 1];
      if (ONE_WORD.has(key)) {
        const trimmed = value.trim(), space = trimmed.indexOf(" ");
        if (space >= 0) { names.push(fold(trimmed.slice(space))); value = trimmed.slice(0, space); } else value = trimmed;
      }
      const folded = fold(value);
      if (folded) (fields[key] = fields[key] || []).push(folded);
    }
  }
  return { names: names.filter(Boolean), fields: Object.entries(fields) };
}

function matches(row, search) {
  if (search.names.length && !search.names.some((name) => row.find.includes(name))) return false;
  return search.fields.every(([key, values]) => values.some((value) => row.folded[key].includes(value)));
}

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function modelCell(cell) {
  const row = cell.getRow().getData();
  const box = element("span");
  box.append(element("span", row.sign + " ", { title: row.type, "aria-hidden": "true" }));
  box.append(element("a", row.name, { href: row.url }));
  if (row.moderation) {
    box.append(" ", element("span", words[row.moderation] || row.moderation,
      { class: "mark " + row.moderation, title: row.reason || "" }));
  }
  return box;
}

const span = (interval) => interval && `${words.interval} ${interval}`;
const shown = (field) => (cell) => cell.getRow().getData()[field];

function columns() {
  const number = { hozAlign: "right", headerHozAlign: "right", sorter: "number", sorterParams: { alignEmptyValues: "bottom" }, headerSortStartingDir: "desc" };
  const made = [
    { title: words.rank, field: "order", hozAlign: "right", headerHozAlign: "right", sorter: "number", formatter: shown("ranks"), width: 92 },
    { title: words.model, field: "name", sorter: "string", formatter: modelCell, minWidth: 200, widthGrow: 3, frozen: window.innerWidth > 700 },
    { title: words.average, field: "average", ...number, formatter: shown("average_text"), tooltip: (event, cell) => span(cell.getRow().getData().average_interval) },
  ];
  words.benchmarks.forEach((title, i) => made.push({
    title, field: "b" + i, ...number, formatter: shown("b" + i + "_text"),
    headerTooltip: `${words.tips[i]}, ${words.shots[i]} ${words.shots_word}`,
    tooltip: (event, cell) => {
      const row = cell.getRow().getData(), ranks = row[`b${i}_ranks`];
      return [`${row[`b${i}_raw`]} ${words.raw}`, span(row[`b${i}_interval`]), ranks && `${words.rank} ${ranks}`,
        `${words.tips[i]}, ${words.shots[i]} ${words.shots_word}`].filter(Boolean).join(" · ");
    },
  }));
  made.push({ title: words.parameters, field: "parameters", ...number, formatter: shown("parameters_text") });
  made.push({ title: words.precision, field: "precision" });
  for (const field of ["type", "license", "architecture", "chat", "base_model", "submitted", "evaluated"]) made.push({ title: words[field], field });
  made.push({ title: words.likes, field: "likes", ...number });
  made.push({ title: words.gpu_hours, field: "gpu_hours", ...number, formatter: shown("gpu_hours_text") });
  made.push({ title: words.carbon, field: "carbon", ...number, formatter: shown("carbon_text") });
  return made;
}

function start(rows) {
  for (const row of rows) {
    row.folded = {};
    for (const key of new Set(Object.values(FIELDS))) row.folded[key] = fold(String(row[key] || ""));
  }
  const address = new URLSearchParams(location.search);
  const chosen = address.get("columns");
  const all = columns();
  for (const column of all) {
    column.visible = chosen === null ? !HIDDEN_AT_FIRST.includes(column.field) : chosen.split(",").includes(column.field) || column.field === "name";
  }
  const [sortField, sortDir] = (address.get("sort") || "order,asc").split(",");
  holder.replaceChildren();
  const table = new Tabulator(holder, {
    data: rows, columns: all, [rows.length > 100 ? "height" : "maxHeight"]: document.body.classList.contains("embed") ? "85vh" : "72vh", layout: "fitDataFill", index: "order",
    initialSort: [{ column: all.some((c) => c.field === sortField) ? sortField : "order", dir: sortDir === "desc" ? "desc" : "asc" }],
    placeholder: words.none, rowFormatter: (row) => row.getElement().classList.toggle("off", Boolean(row.getData().moderation)),
  });
  form.hidden = false;
  for (const control of form.elements) {
    if (!control.name) continue;
    if (control.type === "checkbox") control.checked = address.get(control.name) === control.value;
    else if (address.has(control.name)) control.value = address.get(control.name);
  }
  const chooser = document.getElementById("columns");
  for (const column of all.filter((one) => one.field !== "name")) {
    const label = element("label");
    const box = element("input", undefined, { type: "checkbox", value: column.field });
    box.checked = column.visible;
    box.addEventListener("change", () => { table[box.checked ? "showColumn" : "hideColumn"](column.field); remember(); });
    label.append(box, " ", column.title);
    chooser.append(label);
  }

  function wanted() {
    const value = (name) => form.elements[name].value;
    const search = parseSearch(value("q"));
    const low = value("size_min") === "" ? null : Number(value("size_min")), high = value("size_max") === "" ? null : Number(value("size_max"));
    const unmerged = form.elements.unmerged.checked, unflagged = form.elements.unflagged.checked;
    return (row) => matches(row, search)
      && (!value("type") || row.type === value("type"))
      && (!value("precision") || row.precision === value("precision"))
      && (!value("chat") || row.chat === value("chat"))
      && (low === null || (row.parameters !== null && row.parameters >= low))
      && (high === null || (row.parameters !== null && row.parameters <= high))
      && !(unmerged && row.merged) && !(unflagged && row.moderation);
  }

  function remember() {
    const kept = new URLSearchParams();
    const language = address.get("lang");
    if (language) kept.set("lang", language);
    for (const control of form.elements) {
      if (!control.name) continue;
      if (control.type === "checkbox") { if (control.checked) kept.set(control.name, control.value); }
      else if (control.value) kept.set(control.name, control.value);
    }
    const sorters = table.getSorters();
    if (sorters.length && !(sorters[0].field === "order" && sorters[0].dir === "asc")) kept.set("sort", `${sorters[0].field},${sorters[0].dir}`);
    const visible = table.getColumns().filter((one) => one.isVisible()).map((one) => one.getField());
    const standard = all.map((one) => one.field).filter((field) => !HIDDEN_AT_FIRST.includes(field));
    if (visible.join() !== standard.join()) kept.set("columns", visible.join());
    const text = kept.toString();
    history.replaceState(null, "", text ? "?" + text : location.pathname);
  }

  function apply() {
    table.setFilter(wanted());
    remember();
  }
  function tell() {
    const text = words.count.replace("%(shown)s", table.getDataCount("active")).replace("%(all)s", rows.length);
    if (count.textContent !== text) count.textContent = text;
  }
  form.addEventListener("input", (event) => { if (event.target.name) apply(); });
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  table.on("dataFiltered", () => setTimeout(tell));
  table.on("dataSorted", () => remember());
  table.on("tableBuilt", () => { apply(); tell(); 
    // A grid owns rows and groups of rows only: the scrolling box is a group, the box in it is none.
    holder.querySelector(".tabulator-tableholder").setAttribute("role", "rowgroup");
    const inner = holder.querySelector(".tabulator-table");
    inner.setAttribute("role", "presentation");
    holder.dataset.ready = "1";
  });
}

fetch(holder.dataset.source)
  .then((answer) => { if (!answer.ok) throw new Error(answer.status); return answer.json(); })
  .then((data) => start(data.rows))
  .catch((error) => { console.error("the table stays as it was served:", error); });
