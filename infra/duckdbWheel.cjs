// The wheel that the Glue job installs: the version is npm's, pinned once in package.json. Glue 5 runs Python 3.11.
const { dependencies } = require('../package.json');

const version = dependencies['@duckdb/node-api'].split('-')[0];

module.exports = {
  version,
  name: `duckdb-${version}-cp311-cp311-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl`,
};
