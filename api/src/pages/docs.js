// Renders the OpenAPI document. Text only ever enters the page as text nodes, so no name in it can be markup.
'use strict';
const el = (tag, attrs, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs || {})) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

let spec;
const resolve = (schema) => {
  for (let hops = 0; schema && schema.$ref && hops < 10; hops += 1) {
    const parts = schema.$ref.replace(/^#\/?/, '').split('/').map((part) => part.replace(/~1/g, '/').replace(/~0/g, '~'));
    schema = parts.filter(Boolean).reduce((at, part) => (at || {})[part], spec);
  }
  return schema || {};
};

const word = (raw) => {
  const schema = resolve(raw);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const forms = schema.oneOf || schema.anyOf;
  if (forms) return [...new Set(forms.map(word))].join(' | ');
  const type = Array.isArray(schema.type) ? schema.type.join(' | ') : schema.type || 'any';
  return type.replace('array', schema.items ? `array of ${word(schema.items)}` : 'array') + (schema.format ? ` (${schema.format})` : '');
};

const bounds = (raw) => {
  const schema = resolve(raw);
  const said = [];
  for (const [key, label] of [['minimum', '≥'], ['maximum', '≤'], ['minLength', 'length ≥'], ['maxLength', 'length ≤'], ['minItems', 'items ≥'], ['maxItems', 'items ≤'], ['pattern', 'matches'], ['default', 'default']]) {
    if (schema[key] !== undefined) said.push(`${label} ${typeof schema[key] === 'string' ? schema[key] : JSON.stringify(schema[key])}`);
  }
  return said.join(', ');
};

const fields = (raw, depth = 0) => {
  const schema = resolve(raw);
  const inner = schema.type === 'array' ? resolve(schema.items) : schema;
  const properties = Object.entries(inner.properties || {});
  if (!properties.length || depth > 3) return null;
  const table = el('table', {});
  for (const [name, property] of properties) {
    const needed = (inner.required || []).includes(name);
    const about = [property.description || resolve(property).description, bounds(property)].filter(Boolean).join(' · ');
    table.append(el('tr', {}, el('td', {}, el('code', {}, name), needed ? '' : ' ?'), el('td', {}, word(property)), el('td', {}, about, fields(property, depth + 1))));
  }
  return table;
};

const section = (title, ...children) => (children.some(Boolean) ? el('div', {}, el('h3', {}, title), ...children) : null);

const body = (operation) => {
  const content = ((operation.requestBody || {}).content || {})['application/json'];
  if (!content) return null;
  const shown = el('div', {});
  const examples = Object.entries(content.examples || {});
  if (examples.length) {
    const pre = el('pre', {});
    const choice = el('select', { 'aria-label': 'Example' }, ...examples.map(([name]) => el('option', {}, name)));
    const show = () => { pre.textContent = JSON.stringify(content.examples[choice.value].value, null, 2); };
    choice.addEventListener('change', show);
    show();
    shown.append(el('h3', {}, 'Example'), choice, pre);
  }
  return el('div', {}, section('Body', fields(content.schema)), shown);
};

const answers = (operation) => {
  const rows = Object.entries(operation.responses || {}).map(([status, raw]) => {
    const answer = resolve(raw);
    const content = Object.values(answer.content || {})[0];
    return el('tr', {}, el('td', {}, el('code', {}, status)), el('td', {}, answer.description || '', content ? fields(content.schema) : null));
  });
  return el('table', {}, ...rows);
};

const curl = (verb, path, operation) => {
  const open = !operation.security;
  const parts = ['curl'];
  if (verb !== 'get') parts.push(`-X ${verb.toUpperCase()}`);
  if (!open) parts.push('-H "Authorization: Bearer $KEY"');
  if (operation.requestBody) parts.push("-d '…'");
  return el('pre', {}, `${parts.join(' ')} ${location.origin}${path}`);
};

const route = (verb, path, operation) => {
  const params = (operation.parameters || []).map((p) => el('tr', {}, el('td', {}, el('code', {}, p.name), p.required ? '' : ' ?'), el('td', {}, p.in), el('td', {}, p.description || '')));
  const inside = el('div', {}, operation.description ? el('p', {}, operation.description) : null, section('Parameters', params.length ? el('table', {}, ...params) : null),
    body(operation), section('Answers', answers(operation)), curl(verb, path, operation));
  return el('details', { 'data-text': `${verb} ${path} ${operation.summary || ''} ${inside.textContent}`.toLowerCase() },
    el('summary', {}, el('span', { class: `verb ${verb}` }, verb.toUpperCase()), el('code', {}, path), el('span', { class: 'soft' }, operation.summary || '')), inside);
};

const kinds = () => {
  const found = Object.entries(spec.components.schemas).filter(([name]) => name.startsWith('kind.') && name.endsWith('.args'));
  return found.map(([key, schema]) => {
    const name = key.slice(5, -5);
    const output = spec.components.schemas[`kind.${name}.output`];
    const inside = el('div', {}, section('Args', fields(schema), el('pre', {}, JSON.stringify(schema, null, 2))), output ? section('Output', fields(output)) : null);
    return el('details', { 'data-text': `${name} ${inside.textContent}`.toLowerCase() }, el('summary', {}, el('code', {}, name), el('span', { class: 'soft' }, schema.description || '')), inside);
  });
};

const draw = () => {
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const [verb, operation] of Object.entries(item)) {
      const tag = (operation.tags || ['other'])[0];
      groups.set(tag, [...(groups.get(tag) || []), route(verb, path, operation)]);
    }
  }
  const order = ['jobs', 'queues', 'kinds', 'workers', 'keys', 'health', 'about'];
  const tags = [...groups.keys()].sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const known = kinds();
  document.getElementById('about').prepend(`${spec.info.description} Version ${spec.info.version}. `);
  document.getElementById('routes').replaceChildren(...tags.flatMap((tag) => [el('h2', {}, tag), ...groups.get(tag)]),
    ...(known.length ? [el('h2', {}, 'kinds that are registered'), ...known] : []));
};

document.getElementById('find').addEventListener('input', (event) => {
  const wanted = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const node of document.querySelectorAll('#routes > details')) node.hidden = !wanted.every((part) => node.dataset.text.includes(part));
});

fetch('/openapi.json').then((answer) => answer.json()).then((document_) => { spec = document_; draw(); })
  .catch((error) => { document.getElementById('routes').textContent = `The document could not be loaded: ${error}`; });
