/**
 * node:http for the bundles. An import of it reads all of its exports, one of which is undici's WebSocket: that takes 30 ms of CPU in each
 * cold start, and no function uses it.
 */
module.exports = process.getBuiltinModule('node:http');
