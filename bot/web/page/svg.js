// What charts are made of: elements of SVG.

const SVG = "http://www.w3.org/2000/svg";

export function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function write(text, attributes) {
  const element = make("text", attributes);
  element.textContent = text;
  return element;
}
