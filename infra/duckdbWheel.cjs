// The wheel that the Glue job installs: the version is npm's, pinned once in package.json. Glue 5 runs Python 3.11. Its
// digest is one of those of duckdb in offline/setup/spark.txt.
const { dependencies } = require('../package.json');

const version = dependencies['@duckdb/node-api'].split('-')[0];

module.exports = {
  version,
  sha256: '73b108c04c932b36c2fa4e41110cc1c3c8cd510eb49f065f92d050be8e6929fd',
  name: `duckdb-${version}-cp311-cp311-manylinux_2_26_x86_64.manylinux_2_28_x86_64.whl`,
};
