/** Jest reporter: writes the run's last line. If SLUICE_COUNTS names a file, the counts go there instead. */
import { writeFileSync } from 'node:fs';

export const lineOf = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

export default class ClosingLine {
  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      // A test file that could not start is a failure, too.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests,
    };
    const file = process.env.SLUICE_COUNTS;
    if (file) writeFileSync(file, JSON.stringify(counts));
    // Jest writes its own summary after the last reporter.
    else process.once('exit', () => console.log(lineOf(counts)));
  }
}
