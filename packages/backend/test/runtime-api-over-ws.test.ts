import { testRuntimeApi } from '@worker-runtime/core/testing';
import test from 'ava';
import { WebSocket as WsWebSocket } from 'ws';
import { contractHarness } from './contract-harness.ts';

testRuntimeApi(test, () => contractHarness(null, { webSocket: WsWebSocket as unknown as typeof WebSocket }), {
  kill: 'a store is tested with kills directly, and a backend in audit.test.ts',
});
