// The documentation of the API, made from its OpenAPI description.

import { info } from "./api.js";
import { byId, make } from "./dom.js";

const description = await (await fetch("openapi.json")).json();
const { dataset } = await info();
const anId = `${dataset.name}/${dataset.split}/0`;

for (const [path, methods] of Object.entries(description.paths)) {
  for (const [method, operation] of Object.entries(methods)) byId("docs").append(article(path, method, operation));
}

function article(path, method, operation) {
  const parts = [
    make("h3", {}, make("span", { class: "method" }, method.toUpperCase()), path),
    make("p", {}, operation.description ?? operation.summary),
  ];
  const terms = (operation.parameters ?? []).flatMap(parameter);
  if (operation.requestBody) {
    const kinds = Object.keys(operation.requestBody.content).join(", ");
    terms.push(make("dt", {}, "body"), make("dd", {}, `${operation.requestBody.description} (${kinds})`));
  }
  if (terms.length) parts.push(make("dl", {}, ...terms));
  parts.push(make("pre", { tabindex: 0 }, example(path, method, operation)));
  return make("article", {}, ...parts);
}

function parameter({ name, required, description: text, schema }) {
  const kinds = (schema.anyOf ?? [schema]).map((one) => one.enum?.join(" or ") ?? one.type).filter((kind) => kind !== "null");
  const standard = schema.default === undefined || Array.isArray(schema.default) ? "" : `, ${schema.default} by default`;
  const notes = `${kinds.join(" or ")}${required ? ", required" : standard}`;
  return [make("dt", {}, name), make("dd", {}, text ? `${text} (${notes})` : notes)];
}

function example(path, method, operation) {
  const required = (operation.parameters ?? []).filter((one) => one.required && one.in === "query");
  const query = required.map((one) => `${one.name}=7`).join("&");
  const url = `${location.origin}${path.replace("{id}", anId)}${query ? `?${query}` : ""}`;
  const content = operation.requestBody?.content ?? {};
  const body = "multipart/form-data" in content ? " -F a=@one.png -F b=@other.png" : " --data-binary @digit.png";
  const verb = method === "post" && !operation.requestBody ? " -X POST" : "";
  return `curl${operation.requestBody ? body : verb} '${url}'`;
}
