// Real clients without any key at the gateway, before each version of Dovecot: they see plain mail of what is
// sealed, and what they store is sealed.

import { after, before, describe } from 'node:test';
import { DOVECOT_VERSIONS, needsDovecot } from '../support/dovecot.ts';
import { ALICE, PASSWORD, startGateway, type TestGateway } from '../support/gateway.ts';
import { clientCases } from './gatewaycases.ts';

for (const version of DOVECOT_VERSIONS)
  describe(`clients at the gateway, Dovecot ${version}`, {
    ...(await needsDovecot(version)),
    timeout: 240_000,
  }, () => {
    let gateway: TestGateway;
    before(async () => {
      gateway = await startGateway({ version });
    });
    after(() => gateway?.stop());
    clientCases(() => ({ ...gateway, user: ALICE, password: PASSWORD }));
  });
