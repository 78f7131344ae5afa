/** The datasets of `npm run test:changes -- --engine glue`: a feed of each kind on each format, with and without a history. */
import { tableFormats } from '../../src/lib/model/plan.ts';
import { feeds } from './changes.ts';

export const stagedFeeds = feeds.flatMap((feed) =>
  tableFormats.flatMap((format) =>
    [false, true].map((hasHistory) => ({
      dataset: `${feed}_${format}${hasHistory ? '_history' : ''}`,
      feed,
      format,
      hasHistory,
    })),
  ),
);
