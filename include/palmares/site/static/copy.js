"use strict";
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", () => navigator.clipboard.writeText(document.getElementById(button.dataset.from).textContent));
}
