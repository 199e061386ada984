/** Where the demo keeps its secret key: whoever has it has run the demo in this directory. */
export const DEMO_SECRET = 'var/demo-secret.asc';
