const bcrypt = require("bcryptjs");

module.exports = {
  uiPort: process.env.PORT || 1880,
  uiHost: "0.0.0.0",
  flowFile: "flows.json",
  credentialSecret: process.env.CREDENTIAL_SECRET,
  adminAuth: {
    type: "credentials",
    users: [
      {
        username: process.env.ADMIN_NAME,
        password: bcrypt.hashSync(process.env.ADMIN_PASSWORD, 10),
        permissions: "*",
      },
    ],
  },
  logging: { console: { level: "info", metrics: false, audit: false } },
};
