/** The plugin `otel` with an exporter, since the command line has no provider of an embedder. */
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Logger, RuntimePlugin } from '@worker-runtime/core';
import { otel } from '@worker-runtime/plugin-otel';

/** Reports the troubles of the exporter in the operator's log. It has no other place for them than the process. */
const reportTo = (log: Logger): void => {
  const warn = (problem: string): void =>
    log.warn({ problem }, 'OpenTelemetry reports a problem; runs are not affected');
  const ignore = (): void => {};
  diag.setLogger(
    { error: warn, warn, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
};

/**
 * Makes the plugin with an exporter for OTLP over HTTP. The variables `OTEL_*` configure it, as OpenTelemetry specifies them.
 * @throws INVALID_REQUEST as `otel`
 */
export const plugin = (options: unknown): RuntimePlugin => {
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ 'service.name': 'worker-runtime' }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const traces = otel({ tracerProvider: provider, ...(options as object) });
  return {
    name: traces.name,
    apply(host) {
      reportTo(host.log);
      traces.apply(host);
      host.defer(() => provider.shutdown());
    },
  };
};
