-- From this step on every table that is sealed whole has its seal from the making of the installation on, and one that is missing was taken
-- away. key_check says so too: it is made of the key and of the step of the sealing, so that nobody without the key can say that an
-- installation was never sealed. Installations made before are sealed at their first start after the update, which their audit chain tells.
ALTER TABLE installation ADD COLUMN sealed_at TIMESTAMPTZ;
