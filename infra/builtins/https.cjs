/** node:https for the bundles: see http.cjs. */
module.exports = process.getBuiltinModule('node:https');
