import { DEFAULT_LIMITS } from '@worker-runtime/core';
import { Contract } from '@worker-runtime/test-http/contract';
import { openApiDocument } from '../src/schema/document.ts';
import { allRoutes } from './all-routes.ts';

/** The served document, with the default limits. */
export const contract = new Contract(openApiDocument(allRoutes(), DEFAULT_LIMITS));
