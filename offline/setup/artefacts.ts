/**
 * Files from Maven, and the SHA-256 of each. A new one is fetched with `mvn dependency:copy`, compared with the checksum
 * that its project publishes, and its digest is entered here.
 */
export const artefacts: Readonly<Record<string, string>> = {
  'org.apache.hadoop:hadoop-aws:3.3.4': '53f9ae03c681a30a50aa17524bd9790ab596b28481858e54efd989a826ed3a4a',
  'com.amazonaws:aws-java-sdk-bundle:1.12.262':
    '873fe7cf495126619997bec21c44de5d992544aea7e632fdc77adb1a0915bae5',
  'org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.1':
    '39ea09e6c03550a300b9d9ab498949836d2d434e441da4c12a943a086e396940',
  'org.apache.iceberg:iceberg-aws-bundle:1.10.1':
    '86bf20892ea5b4c17688f19b075399885f6aa5303f6b2dc9f491e76ceef9633b',
  'io.trino:trino-server-core:476:tar.gz': '0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158',
  'io.trino:trino-hive:476:zip': '611bacdb07d9f3cf7b9d47f97ecc76fa2e7ff8bfe8a9728c3d06adc1bfb8662e',
  'io.trino:trino-iceberg:476:zip': '99edba5b491ed94d599aeb61e0794272d3569d8b563f3bb8569e8a49daa87b6c',
};
