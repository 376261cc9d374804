"use strict";
// sorts and searches the tables, and hands out the report as a file; nothing is fetched
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...body.rows].map((row) => ({ row, text: key(row), number: Number(key(row)) }));
      const numbers = rows.every((one) => one.text.trim() !== "" && !Number.isNaN(one.number));
      const order = new Intl.Collator(undefined, { numeric: true });
      rows.sort((a, b) => (numbers ? a.number - b.number : order.compare(a.text, b.text)));
      if (down) rows.reverse();
      body.append(...rows.map((one) => one.row));
    });
  });
}
for (const field of document.querySelectorAll("input[data-searches]")) {
  const table = document.getElementById(field.dataset.searches);
  const count = document.getElementById(field.dataset.searches + "-count");
  field.hidden = false;
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length} shown` : "";
  });
}
const download = document.getElementById("download");
if (download) {
  download.hidden = false;
  download.addEventListener("click", () => {
    const text = document.getElementById("report-json").textContent;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}
