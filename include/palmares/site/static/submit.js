"use strict";
// Names that complete what is typed into the model's field.

const field = document.getElementById("model");
const known = document.getElementById("known");
let asked = "";
if (field) {
  field.addEventListener("input", async () => {
    const text = field.value.trim();
    if (text.length < 2 || text === asked) return;
    asked = text;
    const answer = await fetch("/api/v1/names?q=" + encodeURIComponent(text));
    if (!answer.ok || asked !== text) return;
    known.replaceChildren(...(await answer.json()).map((name) => Object.assign(document.createElement("option"), { value: name })));
  });
}
