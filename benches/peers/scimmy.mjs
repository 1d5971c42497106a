// A SCIM service on scimmy-routers (npm) that keeps everything in memory, with an index of login names.
// Arguments: the port; the bearer token; the folder with the packages.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

const [port, token, folder] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const load = (name) => require(name).default ?? require(name);
const express = load('express');
const SCIMMY = load('scimmy');
const SCIMMYRouters = load('scimmy-routers');

const keep = (type, field) => {
  const records = new Map();
  const names = new Map();
  SCIMMY.Resources.declare(type, {
    ingress: (resource, data) => {
      const before = resource.id ? records.get(resource.id) : undefined;
      if (resource.id && !before) throw new SCIMMY.Types.Error(404, null, 'no such resource');
      const name = String(data[field]).toLowerCase();
      const holder = names.get(name);
      if (holder && holder !== before?.id) throw new SCIMMY.Types.Error(409, 'uniqueness', `${field} is taken`);
      const now = new Date().toISOString();
      const id = before?.id ?? randomUUID();
      const meta = { created: before?.meta.created ?? now, lastModified: now };
      const record = { ...JSON.parse(JSON.stringify(data)), id, meta };
      if (before) names.delete(String(before[field]).toLowerCase());
      records.set(id, record);
      names.set(name, id);
      return record;
    },
    egress: (resource) => {
      if (resource.id) {
        const record = records.get(resource.id);
        if (!record) throw new SCIMMY.Types.Error(404, null, 'no such resource');
        return record;
      }
      const wanted = resource.filter?.[0]?.[field];
      if (Array.isArray(wanted) && wanted[0] === 'eq') {
        const id = names.get(String(wanted[1]).toLowerCase());
        return id ? [records.get(id)] : [];
      }
      return [...records.values()];
    },
    degress: (resource) => {
      const record = records.get(resource.id);
      if (!record) throw new SCIMMY.Types.Error(404, null, 'no such resource');
      records.delete(resource.id);
      names.delete(String(record[field]).toLowerCase());
    },
  });
};
SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser);
keep(SCIMMY.Resources.User, 'userName');
keep(SCIMMY.Resources.Group, 'displayName');

const app = express();
app.use(new SCIMMYRouters({
  type: 'bearer',
  handler: (request) => {
    if (request.header('authorization') !== `Bearer ${token}`) throw new Error('another token');
    return 'benchmark';
  },
}));
app.listen(Number(port), '127.0.0.1');
