import { delimiter, join } from 'node:path';

/** What a local Spark's command depends on. */
interface Parts {
  /** In the class path. */
  readonly jars: readonly string[];
  /** Jars that Spark loads besides. */
  readonly packages?: readonly string[];
  /** Options of its Java. */
  readonly javaOption: string | undefined;
}

/** PYSPARK_SUBMIT_ARGS, in a shell's notation, of a local Spark whose own files go to `folder`. */
export const submitArguments = (
  { jars, packages = [], javaOption }: Parts,
  folder: string,
  settings: Readonly<Record<string, string>> = {},
): string =>
  [
    '--master local[2] --driver-memory 2g',
    ...(packages.length > 0 ? [`--jars ${packages.join(',')}`] : []),
    ...Object.entries({
      'spark.driver.extraClassPath': jars.join(delimiter),
      ...(javaOption === undefined ? {} : { 'spark.driver.extraJavaOptions': javaOption }),
      'spark.ui.enabled': 'false',
      'spark.ui.showConsoleProgress': 'false',
      'spark.driver.host': '127.0.0.1',
      'spark.driver.bindAddress': '127.0.0.1',
      'spark.sql.warehouse.dir': join(folder, 'warehouse'),
      'spark.local.dir': join(folder, 'scratch'),
      'spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs': 'false',
      ...settings,
    }).map(([key, value]) => `--conf ${JSON.stringify(`${key}=${value}`)}`),
    'pyspark-shell',
  ].join(' ');
