import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '@worker-runtime/core';
import { testEngine } from '@worker-runtime/core/testing';
import test from 'ava';
import { LegacyPodEngine } from '../src/legacy-pod-engine.ts';
import { resolveOptions } from '../src/options.ts';
import { encodePodConfig } from '../src/pod/pod-config.ts';
import { PodDirectory } from '../src/pod/pod-directory.ts';
import { PodFiles } from '../src/records/pod-files.ts';
import { mintPodName } from '../src/records/pod-name.ts';
import { PodScene } from './pod-scene.ts';

testEngine(test, async () => {
  const scene = await PodScene.open({
    script: {
      seed: 7,
      runs: {
        long: [{ text: 'It takes a while, and some more.' }, { hang: true }],
        recall: [{ recall: true }],
      },
    },
  });
  const { dataDir, runtimeDir, command } = scene;
  const options = resolveOptions({
    command,
    dataDir,
    runtimeDir,
    roots: [scene.root],
    readyMs: 20_000,
    shutdownMs: 5_000,
  });
  const files = new PodFiles(dataDir, runtimeDir);
  const directory = new PodDirectory(files, options.snapshotMs, [dataDir, runtimeDir]);
  let workspaces = 0;
  return {
    engine: new LegacyPodEngine(options, files, directory, silentLogger),
    // Resolved as by the plugin: each Worker has its own pod, and each pod has its own directory.
    get config() {
      workspaces += 1;
      const workspace = join(scene.workspace, `${workspaces}`);
      mkdirSync(workspace);
      return encodePodConfig({
        name: mintPodName(),
        workspace,
        cwd: workspace,
        profile: null,
        role: null,
        isAdopted: false,
      });
    },
    input: { text: 'Hello' },
    longInput: { text: 'long' },
    echoInput: (marker) => ({ text: `say ${marker}` }),
    recallInput: { text: 'recall' },
    dispose: () => scene.close(),
  };
});
