// What the Glue job runs from, and where it lies in the deployment bucket: keys carry the digest of what is behind them, so
// that a run of the job keeps its own files whatever is deployed meanwhile.
const { createHash } = require('node:crypto');
const { readdirSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const wheel = require('./duckdbWheel.cjs');

const folder = join(__dirname, '../glue');
const files = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith('.py'))
  .sort();
const hash = createHash('sha256');
for (const name of files) hash.update(JSON.stringify([name, readFileSync(join(folder, name), 'utf8')]));
const digest = hash.digest('hex').slice(0, 16);

module.exports = {
  folder,
  /** What the script imports: all files but itself. */
  imported: files.filter((name) => name !== 'job.py'),
  script: `glue/${digest}/job.py`,
  /** The archive of what it imports. */
  modules: `glue/${digest}/modules.zip`,
  /** pip goes by the name of the file. */
  wheel: `glue/${wheel.sha256.slice(0, 16)}/${wheel.name}`,
};
