/**
 * Compares the public surface of each package with its report in `packages/<name>/api`, and fails if they differ.
 * `--update` writes the reports instead. Reads the declarations in `dist`, so build first.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import { readJson, root, workspaces } from './repository.ts';

interface Exporting {
  readonly exports?: Readonly<Record<string, string | { readonly types?: string }>>;
}

const isUpdate = process.argv.includes('--update');
/** A folder of this run: two runs at the same time would read each other's reports. */
const temporary = mkdtempSync(join(tmpdir(), 'api-reports-'));
process.once('exit', () => rmSync(temporary, { recursive: true }));

/** Writes or compares the report of one entry point. Returns false if it differs. */
const report = (folder: string, entry: string, types: string): boolean => {
  const name = entry === '.' ? 'index' : entry.slice('./'.length);
  const reportFolder = join(root, folder, 'api');
  mkdirSync(reportFolder, { recursive: true });
  const reportFile = join(reportFolder, `${name}.api.md`);
  if (isUpdate && !existsSync(reportFile)) writeFileSync(reportFile, '');
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, folder, 'package.json'),
    configObject: {
      projectFolder: join(root, folder),
      mainEntryPointFilePath: join(root, folder, types),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            module: 'nodenext',
            moduleResolution: 'nodenext',
            target: 'es2023',
            skipLibCheck: true,
            types: ['node'],
          },
          include: [join(root, folder, 'dist/**/*.d.ts')],
        },
      },
      apiReport: {
        enabled: true,
        reportFolder,
        reportFileName: `${name}.api.md`,
        reportTempFolder: join(temporary, folder),
        includeForgottenExports: false,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        extractorMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
  });
  const { apiReportChanged } = Extractor.invoke(config, {
    localBuild: isUpdate,
    messageCallback: (message) => {
      message.handled = true;
    },
  });
  return isUpdate || !apiReportChanged;
};

const changed: string[] = [];
for (const { folder } of workspaces()) {
  if (!folder.startsWith('packages/')) continue;
  const { exports = {} } = readJson<Exporting>(`${folder}/package.json`);
  for (const [entry, target] of Object.entries(exports))
    if (typeof target === 'object' && target.types !== undefined && !report(folder, entry, target.types))
      changed.push(`${folder} ${entry}`);
}
if (changed.length > 0) {
  console.error(`The public surface differs from its report: ${changed.join(', ')}. Run: npm run api`);
  process.exitCode = 1;
}
