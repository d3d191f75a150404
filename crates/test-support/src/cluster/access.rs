//! How the API server is reached, and the users whom the cluster itself has.

use std::path::Path;

use super::{credentials::Credentials, user::User};

/// The API server's address, its authority, and who may do everything.
#[derive(Debug)]
pub(crate) struct Access {
    url: String,
    credentials: Credentials,
    administrator: User,
}

impl Access {
    pub(super) fn new(url: &str, credentials: Credentials) -> Self {
        let issued = credentials.client("headroom-test-administrator", Some("system:masters"));
        let administrator = User::with_certificate(url, &credentials.authority(), "administrator", &issued);
        Self {
            url: url.to_owned(),
            credentials,
            administrator,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The certificate of the authority, as PEM.
    pub(super) fn authority(&self) -> String {
        self.credentials.authority()
    }

    /// Who may do everything.
    pub(super) fn administrator(&self) -> &User {
        &self.administrator
    }

    /// Writes a kubeconfig for each component that asks the API server, and the administrator's, into `folder`.
    pub(super) fn write_kubeconfigs(&self, folder: &Path) {
        for component in ["kube-controller-manager", "kube-scheduler"] {
            let name = format!("system:{component}");
            let issued = self.credentials.client(&name, None);
            let user = User::with_certificate(&self.url, &self.authority(), &name, &issued);
            user.write(folder.join(format!("{component}.kubeconfig")));
        }
        self.administrator.clone().write(folder.join("kubeconfig"));
    }

    /// A ServiceAccount, by its token.
    pub(super) fn service_account(&self, namespace: &str, name: &str, token: &str) -> User {
        let name = format!("system:serviceaccount:{namespace}:{name}");
        User::with_token(&self.url, &self.authority(), &name, namespace, token)
    }
}
