/** Jest reporter: the run's last line, counted by the runner. */
export default class ClosingLine {
  onRunComplete(_contexts, results) {
    // A test file that could not even start is a failure too.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : '';
    const line = `${results.numPassedTests} passed, ${failed} failed${skipped}`;
    // Jest writes its own summary after the last reporter.
    process.once('exit', () => console.log(line));
  }
}
