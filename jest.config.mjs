const base = {
  rootDir: import.meta.dirname,
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironment: 'node',
  // What sls offline builds.
  modulePathIgnorePatterns: ['<rootDir>/.esbuild'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { target: 'es2024', parser: { syntax: 'typescript' } },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};

export default {
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    // The tests of the flow once more, with tables of the other format.
    {
      ...base,
      displayName: 'iceberg',
      testMatch: ['<rootDir>/test/unit/flow/**/*.test.ts'],
      testPathIgnorePatterns: ['flow/iceberg.test.ts', 'flow/maintain/'],
      setupFiles: ['<rootDir>/test/support/onIceberg.mjs'],
    },
    // The same tests in half the time, for npm run check and npm test.
    {
      ...base,
      displayName: 'check',
      testMatch: ['<rootDir>/test/unit/**/*.test.ts'],
      runner: 'jest-light-runner',
      setupFilesAfterEnv: ['<rootDir>/test/support/plainNode.mjs'],
    },
    // Starts the project's programs: seconds each, so not part of npm run check.
    { ...base, displayName: 'program', testMatch: ['<rootDir>/test/program/**/*.test.ts'] },
    { ...base, displayName: 'static', testMatch: ['<rootDir>/test/static/**/*.test.ts'] },
    { ...base, displayName: 'differential', testMatch: ['<rootDir>/test/differential/**/*.test.ts'] },
    {
      ...base,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/**/*.test.ts'],
      setupFilesAfterEnv: ['<rootDir>/test/support/nothingToSweep.ts'],
    },
    // Not part of npm test: npm run test:load, npm run soak.
    { ...base, displayName: 'long', testMatch: ['<rootDir>/test/long/**/*.test.ts'] },
  ],
  testSequencer: '<rootDir>/test/support/inTurn.mjs',
  reporters: ['default', '<rootDir>/test/support/closingLine.mjs'],
  testTimeout: 480_000,
};
