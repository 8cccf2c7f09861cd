/** One line to copy: a label, the text, a button. Works without the clipboard permission (plain http) by selecting. */

/** @param {string} label @param {string} text */
export function linkRow(label, text) {
  const row = document.createElement("div");
  row.className = "link";
  const name = document.createElement("label");
  name.textContent = label;
  const field = document.createElement("input");
  field.className = "field";
  field.readOnly = true;
  field.value = text;
  field.id = "link-" + label.replace(/\W+/g, "-").toLowerCase();
  field.onfocus = () => field.select();
  name.htmlFor = field.id;
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "button";
  copy.textContent = "Copy";
  copy.setAttribute("aria-label", `Copy: ${label}`);
  copy.onclick = async () => {
    field.select();
    const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    copy.textContent = (done ?? document.execCommand("copy")) ? "Copied" : "Selected";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  };
  const line = document.createElement("div");
  line.append(field, copy);
  row.append(name, line);
  return row;
}
