/** The domain of an address, in the one spelling in which it is counted. */
import { domainToASCII } from 'node:url';
import { OTHER } from './counts.ts';

/** Bounces have no domain. The name that their mail server gives itself would be one for each server. */
export const BOUNCES = '<>';
const LONGEST = 255;
const DOMAIN = /^(?=.*[a-z])[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;

/** `path`: without brackets. */
export function domainOf(path: string): string {
  if (path === '') return BOUNCES;
  const domain = path.slice(path.lastIndexOf('@') + 1).replace(/\.$/, '');
  if (path.length === domain.length || domain.length > LONGEST) return OTHER;
  const ascii = DOMAIN.test(domain) ? domain : domainToASCII(domain);
  return DOMAIN.test(ascii) && ascii.length <= LONGEST ? ascii : OTHER;
}
