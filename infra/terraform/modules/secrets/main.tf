data "aws_caller_identity" "current" {}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:rotation belongs to modules/cookie-rotation; the bundles of the services hold what a vendor issues and only a person can renew
  for_each = var.bundles

  name                    = "${var.prefix}/${each.key}"
  description             = "${each.key}: ${join(", ", sort(tolist(each.value)))}"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_days
}

# Write-only: values are neither in a plan nor in the state. Terraform writes the first version and never another; what has
# no first value is empty until the operator or the rotation puts one.
resource "aws_secretsmanager_secret_version" "first" {
  for_each = var.bundles

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo_version = 1
  secret_string_wo         = jsonencode(merge({ for key in each.value : key => "" }, lookup(var.first_values, each.key, {})))

  lifecycle {
    ignore_changes = [version_stages]
  }
}

data "aws_iam_policy_document" "this" {
  for_each = var.bundles

  statement {
    sid       = "NoOtherAccount"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecret"]
    resources = [aws_secretsmanager_secret.this[each.key].arn]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "aws:PrincipalAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_secretsmanager_secret_policy" "this" {
  for_each = var.bundles

  secret_arn          = aws_secretsmanager_secret.this[each.key].arn
  policy              = data.aws_iam_policy_document.this[each.key].json
  block_public_policy = true
}
